"""Images that models generate: stored as files of their thread, or where the project's own converter puts them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chatkit.store import NotFoundError

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.test_replay import item, raw, response
from tests.server.attachments.pictures import png
from tests.stores.test_migrations import new_database

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
Make = Callable[..., Awaitable[Chat]]
PICTURE = png() + b"\0" * 30_000
ENCODED = base64.b64encode(PICTURE).decode()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a store that no other test uses: the sweep deletes what it finds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/threads.db"
    else:
        async with new_database() as database:
            yield database


@pytest.fixture
def stored(chat: MakeChat, url: str) -> Make:
    """Make a project with attachments whose threads are in a database."""

    async def make(config: dict[str, Any] | None = None, **files: str) -> Chat:
        declared = {"chat": {"title": "off", "attachments": {"max_size": "1MiB"}}, **(config or {}), "store": url}
        return await chat(declared, **files)

    return make


def _draws(client: Chat, picture: str = ENCODED) -> None:
    """Let the model generate an image with a preview, and say so in the next turns."""
    done = item(type="image_generation_call", id="ig_1", status="completed", result=picture)
    begun = item(type="image_generation_call", id="ig_1", status="in_progress", result=None)
    at = {"output_index": 0, "item_id": "ig_1"}
    drawing = [
        raw("response.output_item.added", output_index=0, item=begun),
        raw("response.image_generation_call.partial_image", partial_image_b64=picture, partial_image_index=0, **at),
        raw("response.output_item.done", output_index=0, item=done),
    ]
    player, say = client.player, client.player.stream_response

    async def stream(instructions: Any, model_input: Any, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        if "draw" in json.dumps(model_input[-1], default=str):
            player.asked.append(model_input)
            yield raw("response.created", response=response())
            for event in drawing:
                yield event
            yield raw("response.completed", response=response(done))
        else:
            async for event in say(instructions, model_input, *arguments, **options):
                yield event

    player.stream_response = stream  # type: ignore[assignment,method-assign]  # what this test is about


def _images(items: list[dict[str, Any]]) -> list[str]:
    return [item["image"]["url"] for item in items if item["type"] == "generated_image"]


async def test_a_generated_image_is_a_file_of_its_thread(stored: Make) -> None:
    client = await stored()
    _draws(client)
    first = await client.say("draw")
    thread = first.thread_id
    [url] = [item["image"]["url"] for item in first.done("generated_image")]
    assert urlsplit(url).path.startswith("/chatkit/files/")
    shown = await client.get(urlsplit(url).path)
    assert (shown.status, shown.body, shown.headers["content-type"]) == (200, PICTURE, "image/png")
    listed = await client.call("items.list", thread_id=thread, order="asc", limit=100)
    assert len(listed.body) < 5_000
    assert ENCODED[:100] not in str(await client.hidden(thread))
    await client.say("draw another", thread)
    await client.say("make it red", thread)
    asked = json.dumps(client.player.asked[-1].input)
    # The newest image alone is part of the input.
    assert asked.count(f"data:image/png;base64,{ENCODED}") == 1
    assert asked.count("which is not part of this input") == 1
    [attachment, _] = await client.runtime.store.list_attachments("local")
    assert (attachment.thread_id, attachment.name) == (thread, "generated.png")


async def test_an_image_of_a_thread_that_was_deleted_meanwhile_leaves_nothing(stored: Make) -> None:
    client = await stored()
    uploads = client.runtime.generation.uploads
    assert uploads is not None
    thread = (await client.say("hello")).thread_id
    await client.call("threads.delete", thread_id=thread)

    with pytest.raises(NotFoundError):
        await uploads.add_generated("local", thread, "image/png", PICTURE, "http://localhost/chatkit")

    assert await uploads.backend.list_attachments("local") == []
    assert [file for file in (client.folder / ".chatkit" / "files" / "files").rglob("*") if file.is_file()] == []


async def test_the_url_of_a_stored_image_is_renewed_with_its_thread(stored: Make) -> None:
    client = await stored()
    _draws(client)
    thread = (await client.say("draw")).thread_id
    uploads = client.runtime.generation.uploads
    assert uploads is not None
    now = uploads.clock()
    uploads.clock = lambda: now + 30 * 24 * 3600
    [old] = [item.image.url for item in await client.hidden(thread) if item.type == "generated_image"]
    assert (await client.get(urlsplit(old).path)).status == 403
    [url] = _images(await client.items(thread))
    assert (await client.get(urlsplit(url).path)).body == PICTURE
    await uploads.sweep()
    assert (await client.get(urlsplit(url).path)).status == 200
    await client.call("threads.delete", thread_id=thread)
    assert (await client.get(urlsplit(url).path)).status == 404


async def test_a_url_of_another_users_file_is_not_renewed(stored: Make) -> None:
    client = await stored()
    _draws(client)
    first = await client.say("draw")
    [item] = [item for item in await client.hidden(first.thread_id) if item.type == "generated_image"]
    uploads = client.runtime.generation.uploads
    assert uploads is not None
    await uploads.sign_items("somebody", [item], "http://localhost/chatkit")
    assert item.image.url == first.done("generated_image")[0]["image"]["url"]
    assert await uploads.read_generated("somebody", item.image.url) is None


async def test_what_is_no_image_and_a_project_without_a_place_keep_data_urls(chat: MakeChat, stored: Make) -> None:
    client = await stored()
    _draws(client, "bm8gaW1hZ2U=")
    assert _images((await client.say("draw")).done("generated_image")) == ["data:image/png;base64,bm8gaW1hZ2U="]
    plain = await chat(name="plain")
    _draws(plain)
    assert _images((await plain.say("draw")).done("generated_image")) == [f"data:image/png;base64,{ENCODED}"]


OWN = """
import base64
from chatkit.agents import ResponseStreamConverter

class Converter(ResponseStreamConverter):
    def __init__(self, host="img.example"):
        super().__init__(partial_images=2)
        self.host, self.stored = host, []
    async def base64_image_to_url(self, image_id, base64_image, partial_image_index=None):
        self.stored.append((image_id, partial_image_index, len(base64.b64decode(base64_image))))
        return f"https://{self.host}/{image_id}.png"

one = Converter()
"""


@pytest.mark.parametrize(
    ("declared", "host"),
    [
        ("images:Converter", "img.example"),
        ({"python": "images:Converter", "with": {"host": "cdn.example"}}, "cdn.example"),
        ("images:one", "img.example"),
    ],
)
async def test_a_stream_converter_of_ones_own_stores_images(stored: Make, declared: Any, host: str) -> None:
    client = await stored({"stream_converter": declared}, images_py=OWN)
    _draws(client)
    first = await client.say("draw")
    url = f"https://{host}/ig_1.png"
    assert [item["image"]["url"] for item in first.done("generated_image")] == [url]
    update = next(e["update"] for e in first.of("thread.item.updated") if e["update"]["type"].startswith("generated"))
    assert (update["image"]["url"], update["progress"]) == (url, 0)
    converter: Any = client.runtime.generation.snapshot.stream_converter
    assert converter.stored == [("ig_1", 0, len(PICTURE)), ("ig_1", None, len(PICTURE))]
    await client.say("make it red", first.thread_id)
    asked = json.dumps(client.player.asked[-1].input)
    assert url in asked
    assert ENCODED[:100] not in asked
