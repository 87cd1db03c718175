"""Files and speech that enter the composer: direct uploads, paste, drop, and a microphone that is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from tests.web.conftest import Chat, MakeSite, Site, Visitor
from tests.web.test_element import around as around_page
from tests.web.test_element import embed

DIRECT = {"chat": {"attachments": {"accept": ["text/plain"], "upload": "direct", "max_size": "1MiB"}}}
OPTIONS = """{ api: { ...all.api, uploadStrategy: { type: 'direct', uploadUrl: '/chatkit/files' } },
  composer: { attachments: { enabled: true, maxCount: 3, accept: { 'text/plain': ['.txt'] } } } }"""
BOATS = {"name": "boats.txt", "mimeType": "text/plain", "buffer": b"nine boats"}


def choose(chat: Chat, *files: Any) -> None:
    with chat.page.expect_file_chooser() as chooser:
        chat.frame.get_by_role("button", name="Add").click()
        chat.frame.get_by_role("menuitem", name="Attach files").click()
    chooser.value.set_files(list(files))


def remove(chat: Chat, name: str) -> Locator:
    return chat.frame.get_by_role("button", name=f"Remove {name}")


def test_a_file_is_uploaded_directly_by_the_page_and_sent(site: MakeSite, visitor: Visitor) -> None:
    served = site(DIRECT, "Nine.", around=around_page)
    posted: list[str] = []
    visitor.context.on("request", lambda request: posted.append(f"{request.method} {request.url}"))
    chat = embed(visitor, served, OPTIONS)
    choose(chat, BOATS)
    expect(remove(chat, "boats.txt")).to_be_visible()
    chat.say("How many?")
    chat.shows("Nine.")
    assert "nine boats" in str(served.player.asked[-1].input)
    assert f"POST {served.url}/chatkit/files" in posted
    assert [method for name, method in chat.run("return told") if name == "fetch"].count("POST") >= 2, "by api.fetch"


def test_a_direct_upload_shows_its_progress_and_can_be_removed(site: MakeSite, visitor: Visitor) -> None:
    held: list[Route] = []
    visitor.context.route("**/chatkit/files", lambda route: held.append(route))
    served = site(DIRECT, around=around_page)
    options = OPTIONS.replace("...all.api", "url: '/chatkit', domainKey: 'none'")
    chat = embed(visitor, served, options)
    choose(chat, BOATS)
    expect(chat.frame.get_by_label("Uploading boats.txt")).to_be_visible()
    chat.field.fill("Too early")
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_disabled()
    remove(chat, "boats.txt").click()
    expect(remove(chat, "boats.txt")).to_have_count(0)
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_enabled()
    expect(chat.frame.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(("status", "reason"), [(413, "The file is larger than 1 MB"), (500, "")])
def test_a_direct_upload_that_fails_says_why_and_blocks_only_its_message(
    site: MakeSite, visitor: Visitor, status: int, reason: str
) -> None:
    visitor.expected.extend(("Failed to load resource", "RequestFailed"))
    body = json.dumps({"error": {"code": "too_large", "message": reason}})
    visitor.context.route("**/chatkit/files", lambda route: route.fulfill(status=status, body=body))
    chat = embed(visitor, site(DIRECT, "Without it.", around=around_page), OPTIONS)
    choose(chat, BOATS)
    expect(chat.frame.get_by_role("alert")).to_contain_text("boats.txt could not be uploaded")
    expect(chat.frame.get_by_role("alert")).to_contain_text(reason)
    assert chat.until("error")["message"] == reason
    chat.field.fill("Go on")
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_disabled()
    remove(chat, "boats.txt").click()
    chat.frame.get_by_role("button", name="Send message").click()
    chat.shows("Without it.")


def test_a_route_of_ones_own_takes_direct_uploads(site: MakeSite, visitor: Visitor) -> None:
    taken: list[tuple[str, bytes]] = []

    async def take(request: Request) -> Response:
        async with request.form() as form:
            file: Any = form["file"]
            taken.append((file.filename, await file.read()))
        return JSONResponse({"id": "atc_own", "type": "file", "name": "boats.txt", "mime_type": "text/plain"})

    def around(app: Any) -> Any:
        outer = around_page(app)
        outer.router.routes.insert(0, Path("/uploads", take, methods=["POST"]))
        return outer

    chat = embed(visitor, site({}, around=around), OPTIONS.replace("/chatkit/files", "/uploads"))
    choose(chat, BOATS)
    expect(remove(chat, "boats.txt")).to_be_visible()
    chat.field.fill("Here")
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_enabled()
    assert taken == [("boats.txt", b"nine boats")]


TRANSFER = """(element, kind) => {
  const data = new DataTransfer();
  data.items.add(new File(['nine boats'], 'boats.txt', { type: 'text/plain' }));
  const init = { bubbles: true, cancelable: true };
  if (kind === 'paste') return element.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
  for (const type of ['dragenter', 'dragover', 'drop']) {
    element.dispatchEvent(new DragEvent(type, { ...init, dataTransfer: data }));
  }
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
@pytest.mark.parametrize("upload", ["two_phase", "direct"])
def test_a_file_that_is_pasted_or_dropped_is_attached(site: MakeSite, visitor: Visitor, kind: str, upload: str) -> None:
    declared = {"chat": {"attachments": {"accept": ["text/plain"], "upload": upload}}}
    served: Site = site(declared, "Nine.")
    chat = visitor.open(served.url)
    expect(chat.field).to_be_visible()
    chat.field.evaluate(TRANSFER, kind)
    expect(remove(chat, "boats.txt")).to_be_visible()
    chat.say("How many?")
    chat.shows("Nine.")
    assert "nine boats" in str(served.player.asked[-1].input)


SPEECH = "async def write_down(audio, context):\n    return 'Nine boats'\n"
DICTATION = {"chat": {"dictation": {"python": "speech:write_down"}}}


def test_what_is_said_joins_what_is_typed_on_the_chat_page(site: MakeSite, visitor: Visitor) -> None:
    served = site(DICTATION, "Heard.", speech_py=SPEECH)
    chat = visitor.open(served.url)
    chat.field.click()
    chat.page.keyboard.type("I see:")
    chat.frame.get_by_role("button", name="Dictate", exact=True).click()
    expect(chat.frame.get_by_role("timer")).to_be_visible()
    chat.frame.get_by_role("button", name="Stop dictating").click()
    expect(chat.field).to_have_text("I see: Nine boats")
    chat.frame.get_by_role("button", name="Send message").click()
    chat.shows("Heard.")
    assert "I see: Nine boats" in str(served.player.asked[0].input)


def test_a_recording_that_is_cancelled_is_not_sent(site: MakeSite, visitor: Visitor) -> None:
    sent: list[str] = []
    visitor.context.on("request", lambda request: sent.append(request.post_data or ""))
    chat = visitor.open(site(DICTATION, speech_py=SPEECH).url)
    dictate = chat.frame.get_by_role("button", name="Dictate", exact=True)
    dictate.click()
    chat.frame.get_by_role("button", name="Cancel").click()
    expect(dictate).to_be_visible()
    assert not any("input.transcribe" in body for body in sent)


def test_speech_that_can_not_be_written_down_says_so(site: MakeSite, visitor: Visitor) -> None:
    visitor.expected.extend(("Failed to load resource", "RequestFailed", ".*"))
    broken = "async def write_down(audio, context):\n    raise RuntimeError('deaf')\n"
    chat = visitor.open(site(DICTATION, speech_py=broken).url)
    chat.frame.get_by_role("button", name="Dictate", exact=True).click()
    chat.frame.get_by_role("button", name="Stop dictating").click()
    expect(chat.frame.get_by_role("alert")).to_contain_text("could not be written down")
    expect(chat.frame.get_by_role("button", name="Dictate", exact=True)).to_be_visible()


def test_a_microphone_that_is_refused_says_where_it_is_allowed(site: MakeSite, visitor: Visitor) -> None:
    refuse = """if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('Permission denied', 'NotAllowedError');
    };"""
    visitor.context.add_init_script(refuse)
    visitor.expected.append("Permission denied|NotAllowedError")
    chat = visitor.open(site(DICTATION, speech_py=SPEECH).url)
    chat.frame.get_by_role("button", name="Dictate", exact=True).click()
    expect(chat.frame.get_by_role("alert")).to_contain_text("The microphone can")
    chat.say("Then I type")
    chat.shows("Then I type")
