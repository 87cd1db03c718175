"""Attachments: announced, uploaded, checked, shown and passed to the model; no file is lost, and none piles up."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypdf import PdfWriter

from runtime.server.attachments.pdf_text import PdfLimits, PdfTexts
from runtime.server.attachments.uploads import Uploads
from tests.bucket_server import OPTIONS, bucket_server
from tests.conversations.conftest import Chat, MakeChat
from tests.server.attachments.pictures import heif, jpeg, png, slow_pdf

PNG = png()
OFFER: dict[str, Any] = {
    "chat": {"attachments": {"accept": ["image/*", "text/plain", "application/pdf"], "max_size": 1000}}
}


async def _announce(client: Chat, name: str = "a.png", mime_type: str = "image/png", size: int = len(PNG)) -> Any:
    return await client.call("attachments.create", name=name, mime_type=mime_type, size=size)


def _uploads(client: Chat) -> Uploads:
    uploads = client.runtime.generation.uploads
    assert uploads is not None
    return uploads


def _path(url: str) -> str:
    return url.removeprefix("http://localhost")


async def _put(client: Chat, url: str, content: bytes) -> Any:
    return await client.request("PUT", _path(url), content).end()


async def _attach(client: Chat, content: bytes = PNG, name: str = "a.png", mime_type: str = "image/png") -> str:
    made = (await _announce(client, name, mime_type, len(content))).json
    uploaded = await _put(client, made["upload_descriptor"]["url"], content)
    assert uploaded.status == 204, uploaded.body
    return str(made["id"])


async def test_a_picture_is_announced_uploaded_sent_shown_and_passed_to_the_model(chat: MakeChat) -> None:
    client = await chat(OFFER)
    made = (await _announce(client, "../../holiday.png")).json
    assert made["type"] == "image"
    assert made["name"] == "holiday.png"
    assert made["upload_descriptor"]["method"] == "PUT"
    assert (await _put(client, made["upload_descriptor"]["url"], PNG)).status == 204
    answer = await client.say("what is this", attachments=[made["id"]])
    [sent] = answer.done("user_message")[0]["attachments"]
    assert "upload_descriptor" not in sent
    shown = await client.get(_path(sent["preview_url"]))
    assert shown.body == PNG
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-content-type-options"] == "nosniff"
    told = client.player.asked[-1].input[-1]["content"]
    assert told[1]["image_url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


async def test_a_text_file_and_the_text_of_a_pdf_reach_a_model_that_reads_no_files(chat: MakeChat) -> None:
    writer, made = PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.write(made)
    client = await chat({"chat": {"attachments": {"max_size": "1MiB"}}})
    note = await _attach(client, "Nine euros — paid".encode(), "note.txt", "text/plain; charset=utf-8")
    blank = await _attach(client, made.getvalue(), "blank.pdf", "application/pdf")
    await client.say("look", attachments=[note, blank])
    told = client.player.asked[-1].input[-1]["content"]
    assert told[1]["text"] == "<FILE name='note.txt'>\nNine euros — paid\n</FILE>"
    assert told[2]["text"] == "<FILE name='blank.pdf'>\n\n</FILE>"


async def test_a_pdf_that_can_not_be_read_harms_no_answer(chat: MakeChat) -> None:
    client = await chat(OFFER)
    broken = await _attach(client, b"%PDF-1.4 broken", "b.pdf", "application/pdf")
    assert (await client.say("look", attachments=[broken])).said == ["Fine."]
    assert "can't be read here" in str(client.player.asked[-1].input[-1]["content"])


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"size": 0}, 400, "invalid_size"),
        ({"size": -1}, 400, "invalid_size"),
        ({"size": 1001}, 413, "file_too_large"),
        ({"mime_type": "application/x-msdownload"}, 415, "unsupported_type"),
        ({"mime_type": "nonsense"}, 415, "unsupported_type"),
    ],
)
async def test_what_is_not_taken_is_refused_before_it_is_uploaded(
    chat: MakeChat, params: dict[str, Any], status: int, code: str
) -> None:
    refused = await _announce(await chat(OFFER), **params)
    assert (refused.status, refused.error["code"]) == (status, code)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (PNG + b"more than was announced", 413, "file_too_large"),
        (PNG[:-1], 400, "incomplete"),
        (b"", 400, "empty_file"),
        (b"#!/bin/sh".ljust(len(PNG)), 415, "wrong_type"),
    ],
)
async def test_an_upload_is_held_to_what_was_announced(chat: MakeChat, content: bytes, status: int, code: str) -> None:
    client = await chat(OFFER)
    made = (await _announce(client)).json
    refused = await _put(client, made["upload_descriptor"]["url"], content)
    assert (refused.status, refused.error["code"]) == (status, code)
    sent = await client.say("look", attachments=[made["id"]])
    assert (sent.status, sent.error["code"]) == (400, "not_uploaded")
    assert (await client.call("threads.list")).json["data"] == []


async def test_a_url_is_good_for_what_it_was_made_for(chat: MakeChat) -> None:
    client = await chat(OFFER)
    made = (await _announce(client)).json
    url = made["upload_descriptor"]["url"]
    payload, _, signature = url.rpartition("/")[2].partition(".")
    grant = base64.urlsafe_b64decode(payload + "==").replace(b'"local"', b'"omar!"')
    forged = base64.urlsafe_b64encode(grant).rstrip(b"=").decode()
    for token in (f"{forged}.{signature}", payload, f"{payload}.", "x.y"):
        assert (await _put(client, f"/chatkit/files/{token}", PNG)).error["code"] == "invalid_url"
    assert (await _put(client, made["preview_url"], PNG)).error["code"] == "invalid_url"
    _uploads(client).clock = lambda: 10.0**11
    assert (await _put(client, url, PNG)).error["code"] == "expired"


async def test_another_user_finds_none_of_the_files(chat: MakeChat) -> None:
    client = await chat(OFFER)
    mine = await _attach(client)
    backend = client.runtime.store
    from chatkit.store import NotFoundError

    with pytest.raises(NotFoundError):
        await backend.load_attachment("omar", mine)
    with pytest.raises(NotFoundError):
        await client.runtime.generation.uploads.read("omar", mine)  # type: ignore[union-attr]
    assert (await client.call("attachments.delete", attachment_id="atc_unknown")).status == 404
    assert (await client.say("look", attachments=["atc_unknown"])).status == 404


async def test_an_attachment_is_deleted_with_its_file(chat: MakeChat) -> None:
    client = await chat(OFFER)
    made = (await _announce(client)).json
    await _put(client, made["upload_descriptor"]["url"], PNG)
    assert _files(client)
    assert (await client.call("attachments.delete", attachment_id=made["id"])).json == {}
    assert _files(client) == []
    assert (await client.get(_path(made["preview_url"]))).status == 404


def _files(client: Chat) -> list[Path]:
    folder = client.folder / ".chatkit" / "files" / "files"
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_an_id_that_a_store_would_clean_deletes_nothing(chat: MakeChat) -> None:
    client = await chat(OFFER)
    attached = await _attach(client)
    for alias in (f"{attached}\0", f"\0{attached}", f"{attached}\ud800", f"{attached[:9]}\0{attached[9:]}"):
        assert (await client.call("attachments.delete", attachment_id=alias)).status == 404
    assert (await client.say("look", attachments=[attached])).status == 200
    assert _files(client)


async def test_more_files_than_are_allowed_are_refused(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"max_count": 1}}})
    two = [await _attach(client), await _attach(client)]
    assert (await client.say("look", attachments=two)).error["code"] == "too_many_attachments"


async def test_what_was_never_sent_is_collected_and_what_was_sent_stays(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"keep_unsent": "1h"}}})
    sent, unsent = await _attach(client), await _attach(client)
    answer = await client.say("look", attachments=[sent])
    uploads = _uploads(client)
    assert await uploads.collect() == 0
    uploads.clock = lambda: time.time() + 7200
    assert await uploads.collect() == 1
    assert await uploads.sweep() == 0
    assert {path.name for path in _files(client)} == {sent}
    assert (await client.say("look", attachments=[unsent])).status == 404
    await client.call("threads.delete", thread_id=answer.thread_id)
    uploads.clock = time.time
    young = await _attach(client)
    os.utime(next(path for path in _files(client) if path.name == sent), (0, 0))
    assert await uploads.sweep() == 1
    assert {path.name for path in _files(client)} == {young}


async def test_a_deleted_file_is_described_to_the_model_as_deleted(chat: MakeChat) -> None:
    client = await chat(OFFER)
    first = await client.say("look", attachments=[await _attach(client)])
    for path in _files(client):
        path.unlink()
    assert (await client.say("again", first.thread_id)).said == ["Fine."]
    assert "no longer there" in str(client.player.asked[-1].input[0])


async def test_attachments_and_their_urls_outlive_a_restart(chat: MakeChat) -> None:
    config = OFFER | {"store": "sqlite:///threads.db"}
    before = await chat(config)
    made = (await _announce(before)).json
    await _put(before, made["upload_descriptor"]["url"], PNG)
    await before.runtime.close()
    after = await chat(config)
    assert (await after.get(_path(made["preview_url"]))).body == PNG
    assert (await after.say("look", attachments=[made["id"]])).said == ["Fine."]


def _form(content: bytes, name: str = "a.png", mime_type: str = "image/png", field: str = "file") -> bytes:
    head = (
        f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {mime_type}\r\n\r\n'
    )
    return head.encode() + content + b"\r\n--b--\r\n"


async def test_a_form_uploads_at_once(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"upload": "direct", "max_size": 1000, "accept": ["image/png"]}}})
    options = (await client.get("/chatkit/options.json")).json
    assert options["api"]["uploadStrategy"] == {"type": "direct", "uploadUrl": "http://localhost/chatkit/files"}
    assert options["composer"]["attachments"] == {
        "enabled": True,
        "maxSize": 1000,
        "maxCount": 10,
        "accept": {"image/png": []},
    }
    headers = {"content-type": "multipart/form-data; boundary=b"}
    made = await client.start(_form(PNG), headers, "/chatkit/files").end()
    assert made.status == 200, made.body
    assert "metadata" not in made.json
    assert (await client.say("look", attachments=[made.json["id"]])).said == ["Fine."]
    for form, code in (
        (_form(PNG + b"x" * 1000), "file_too_large"),
        (_form(PNG, mime_type="text/html"), "unsupported_type"),
        (_form(PNG, field="other"), "no_file"),
    ):
        assert (await client.start(form, headers, "/chatkit/files").end()).error["code"] == code


async def test_where_nothing_is_offered_nothing_is_taken(chat: MakeChat) -> None:
    client = await chat()
    assert (await _announce(client)).error["code"] == "not_supported"
    assert (await client.say("look", attachments=["atc_1"])).status == 404
    assert "attachments" not in (await client.get("/chatkit/options.json")).json["composer"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with bucket_server() as url:
        yield url


async def test_files_may_be_kept_in_a_bucket(chat: MakeChat, bucket: str) -> None:
    options = {**OPTIONS, "endpoint": bucket}
    declared = {"store": "s3://chat/files-of-ours", "options": options, "keep_unsent": "1h"}
    client = await chat({"chat": {"attachments": declared}})
    made = (await _announce(client)).json
    assert (await _put(client, made["upload_descriptor"]["url"], PNG)).status == 204
    assert (await client.get(_path(made["preview_url"]))).body == PNG
    assert (await client.say("look", attachments=[made["id"]])).said == ["Fine."]
    again = await _put(client, made["upload_descriptor"]["url"], PNG)
    assert (again.status, again.error["code"]) == (409, "already_uploaded")
    assert await _uploads(client).collect() == 0
    unsent = (await _announce(client)).json
    await _put(client, unsent["upload_descriptor"]["url"], PNG)
    assert (await client.call("attachments.delete", attachment_id=unsent["id"])).json == {}
    assert (await client.get(_path(unsent["preview_url"]))).status == 404


@pytest.mark.parametrize(
    "mime_type",
    [
        "image/png\r\nset-cookie: a=b",
        "image/png\n",
        "image/*",
        "image/svg+xml",
        "image/x-unknown",
        "image/\0",
        "",
        "IMAGE",
    ],
)
async def test_what_is_no_known_type_of_image_is_refused_when_it_is_announced(chat: MakeChat, mime_type: str) -> None:
    client = await chat(OFFER)
    refused = await _announce(client, mime_type=mime_type)
    assert (refused.status, refused.error["code"]) == (415, "unsupported_type")


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a",
        jpeg(metadata=0),
        png(2**16, 2**16),
    ],
)
async def test_a_png_that_is_none_is_refused_by_its_content(chat: MakeChat, content: bytes) -> None:
    client = await chat(OFFER)
    made = (await _announce(client, size=len(content))).json
    refused = await _put(client, made["upload_descriptor"]["url"], content)
    assert (refused.status, refused.error["code"]) == (415, "wrong_type")
    assert _files(client) == []


async def test_a_picture_that_is_declared_is_downloaded_and_no_model_gets_it_as_an_image(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"accept": ["image/*", "image/svg+xml"]}}})
    content = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    made = (await _announce(client, "a.svg", "image/svg+xml", len(content))).json
    assert made["type"] == "file"
    await _put(client, made["upload_descriptor"]["url"], content)
    assert (await client.say("look", attachments=[made["id"]])).said == ["Fine."]
    told = client.player.asked[-1].input[-1]["content"]
    assert told[1] == {"type": "input_text", "text": f"<FILE name='a.svg'>\n{content.decode()}\n</FILE>"}


async def test_an_image_that_models_can_not_read_is_passed_to_the_model_by_its_name(chat: MakeChat) -> None:
    client = await chat(OFFER)
    photo = await _attach(client, heif(b"heic"), "photo.heic", "image/heic")
    assert (await client.say("look", attachments=[photo])).said == ["Fine."]
    told = client.player.asked[-1].input[-1]["content"]
    assert told[1]["text"] == "[The user attached 'photo.heic' (image/heic), which can't be read here.]"


async def test_an_image_of_an_earlier_version_that_is_none_is_shown_to_no_model_and_harms_no_download(
    chat: MakeChat,
) -> None:
    client = await chat(OFFER)
    attachment_id = await _attach(client)
    [path] = _files(client)
    path.write_bytes(b"<svg/>")
    backend = client.runtime.store
    stored = await backend.load_attachment("local", attachment_id)
    await backend.save_attachment(
        "local", stored.model_copy(update={"mime_type": "image/png\r\nx: y", "metadata": None})
    )
    sent = await client.say("look", attachments=[attachment_id])
    assert "can't be read here" in str(client.player.asked[-1].input[-1]["content"])
    [shown] = sent.done("user_message")[0]["attachments"]
    loaded = await client.get(_path(shown["preview_url"]))
    assert (loaded.status, loaded.body) == (200, b"<svg/>")
    assert loaded.headers["content-type"] == "application/octet-stream"
    assert loaded.headers["content-disposition"].startswith("attachment")


async def test_preview_urls_expire_and_old_threads_still_show_their_images(chat: MakeChat) -> None:
    client = await chat(OFFER)
    sent = await client.say("look", attachments=[await _attach(client)])
    [first] = sent.done("user_message")[0]["attachments"]
    days = 24 * 3600.0
    _uploads(client).clock = lambda: time.time() + 30 * days
    expired = await client.get(_path(first["preview_url"]))
    assert (expired.status, expired.error["code"]) == (403, "expired")
    loaded = (await client.call("threads.get_by_id", thread_id=sent.thread_id)).json["items"]["data"]
    listed = await client.items(sent.thread_id)
    urls = {items[0]["attachments"][0]["preview_url"] for items in (loaded, listed)}
    assert len(urls) == 1
    assert (await client.get(_path(urls.pop()))).body == PNG


async def test_a_file_is_cached_by_browsers_and_downloaded_under_its_name(chat: MakeChat) -> None:
    client = await chat(OFFER)
    made = (await _announce(client, "größe.png")).json
    await _put(client, made["upload_descriptor"]["url"], PNG)
    url = _path(made["preview_url"])
    shown = await client.get(url)
    assert shown.headers["content-disposition"] == "inline; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"
    assert shown.headers["cache-control"] == "private, max-age=43200, immutable"
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert shown.headers["content-length"] == str(len(PNG))
    etag = shown.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", W/{etag}', "*"):
        again = await client.get(url, {"if-none-match": known})
        assert (again.status, again.body) == (304, b"")
    assert (await client.get(url, {"if-none-match": '"other"'})).status == 200


async def test_a_url_for_one_file_reads_no_other(chat: MakeChat) -> None:
    client = await chat(OFFER)
    made = (await _announce(client)).json
    await _put(client, made["upload_descriptor"]["url"], PNG)
    [path] = _files(client)
    path.write_bytes(PNG + b"other")
    refused = await client.get(_path(made["preview_url"]))
    assert (refused.status, refused.error["code"]) == (403, "invalid_url")


async def test_a_user_may_have_so_many_files_and_bytes(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"max_unsent": 2, "quota": 3 * len(PNG)}}})
    first, second = await _attach(client), await _attach(client)
    refused = await _announce(client)
    assert (refused.status, refused.error["code"]) == (429, "too_many_unsent")
    await client.say("look", attachments=[first, second])
    third = await _attach(client)
    refused = await _announce(client)
    assert (refused.status, refused.error["code"]) == (413, "quota_exceeded")
    await client.call("attachments.delete", attachment_id=third)
    assert (await _announce(client)).status == 200


@pytest.mark.parametrize("at_once", [False, True])
async def test_files_that_were_announced_before_any_arrived_share_the_quota(chat: MakeChat, at_once: bool) -> None:
    client = await chat({"chat": {"attachments": {"quota": 2 * len(PNG)}}})
    urls = [(await _announce(client)).json["upload_descriptor"]["url"] for _ in range(4)]

    if at_once:
        answers = await asyncio.gather(*(_put(client, url, PNG) for url in urls))
    else:
        answers = [await _put(client, url, PNG) for url in urls]

    assert sorted(answer.status for answer in answers) == [204, 204, 413, 413]
    assert {answer.error["code"] for answer in answers if answer.status == 413} == {"quota_exceeded"}
    assert len(_files(client)) == 2


@pytest.mark.in_process
async def test_a_user_sends_so_many_forms_at_once(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"max_count": 2}}})
    begun, arrived = asyncio.Semaphore(0), asyncio.Event()
    headers = {"content-type": "multipart/form-data; boundary=b"}

    async def slowly() -> AsyncIterator[bytes]:
        yield _form(PNG)[:60]
        begun.release()
        await arrived.wait()
        yield _form(PNG)[60:]

    transport = httpx.ASGITransport(client.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
        running = [asyncio.create_task(http.post("/chatkit/files", content=slowly())) for _ in range(2)]
        for _ in running:
            await begun.acquire()
        refused = await http.post("/chatkit/files", content=_form(PNG))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_uploads")
        arrived.set()
        assert [(await answer).status_code for answer in running] == [200, 200]
        assert (await http.post("/chatkit/files", content=_form(PNG))).status_code == 200


async def test_a_file_that_was_sent_is_deleted_with_its_thread_only(chat: MakeChat) -> None:
    client = await chat(OFFER)
    sent = await _attach(client)
    answer = await client.say("look", attachments=[sent, sent])
    assert [each["id"] for each in answer.done("user_message")[0]["attachments"]] == [sent]
    refused = await client.call("attachments.delete", attachment_id=sent)
    assert (refused.status, refused.error["code"]) == (409, "already_sent")
    stolen = await client.say("look", attachments=[sent])
    assert (stolen.status, stolen.error["code"]) == (409, "already_sent")
    assert len((await client.call("threads.list")).json["data"]) == 1


async def test_a_form_of_unknown_length_is_refused_before_it_fills_the_disk(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"max_size": 1000}}})
    headers = {"content-type": "multipart/form-data; boundary=b"}
    refused = await client.start(_form(png() + b"x" * 200_000), headers, "/chatkit/files").end()
    assert (refused.status, refused.error["code"]) == (413, "file_too_large")


async def test_a_full_disk_is_a_503_that_asks_to_try_again(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    client = await chat(OFFER)
    made = (await _announce(client)).json
    # A file where the folder of the uploads should be.
    folder = client.folder / ".chatkit" / "files" / "files"
    folder.write_text("")
    refused = await _put(client, made["upload_descriptor"]["url"], PNG)
    assert (refused.status, refused.error["code"]) == (503, "storage_unavailable")
    assert "a file could not be stored" in caplog.text
    folder.unlink()
    assert (await _put(client, made["upload_descriptor"]["url"], PNG)).status == 204


async def test_a_pdf_that_takes_too_much_is_passed_to_the_model_as_far_as_it_was_read(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {}}})
    content = slow_pdf()
    _uploads(client).pdf_texts = PdfTexts(PdfLimits(cpu_s=1))
    slow = await _attach(client, content, "slow.pdf", "application/pdf")
    first = await client.say("look", attachments=[slow])
    expected = (
        "<FILE name='slow.pdf'>\nPage one.\n"
        "[… 1 of 2 pages are missing: they can't be read here, because the file takes too much time or memory]\n</FILE>"
    )
    assert client.player.asked[-1].input[-1]["content"][1]["text"] == expected
    await client.say("again", first.thread_id)
    assert client.player.asked[-1].input[0]["content"][1]["text"] == expected


async def test_a_user_uploads_so_many_files_at_once(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"max_count": 2}}})
    made = (await _announce(client)).json
    begun, arrived = asyncio.Semaphore(0), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        begun.release()
        yield PNG[:10]
        await arrived.wait()
        yield PNG[10:]

    token = made["upload_descriptor"]["url"].rpartition("/")[2]
    running = [asyncio.create_task(_uploads(client).receive(token, slowly())) for _ in range(2)]
    for _ in running:
        await begun.acquire()
    refused = await _put(client, made["upload_descriptor"]["url"], PNG)
    assert (refused.status, refused.error["code"]) == (429, "too_many_uploads")
    arrived.set()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert sorted(getattr(each, "code", "") for each in ended) == ["", "already_uploaded"]
    assert (await _put(client, made["upload_descriptor"]["url"], PNG)).error["code"] == "already_uploaded"
