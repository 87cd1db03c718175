"""Attachments: announced, uploaded, checked, shown, told to the model; nothing is lost, and nothing piles up."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pypdf import PdfWriter

from runtime.server.attachments.uploads import Uploads
from tests.conversations.conftest import Chat, MakeChat
from tests.server.attachments.pictures import png

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


async def test_a_picture_is_announced_uploaded_sent_shown_and_told_to_the_model(chat: MakeChat) -> None:
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


async def test_a_stranger_finds_nothing(chat: MakeChat) -> None:
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


async def test_a_file_that_is_gone_is_told_as_gone(chat: MakeChat) -> None:
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
    import boto3

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="chat")
    yield url
    server.stop()


async def test_files_may_be_kept_in_a_bucket(chat: MakeChat, bucket: str) -> None:
    options = {"endpoint": bucket, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}
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
