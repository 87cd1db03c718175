"""The `limits` section, over the app: sizes, turns at once, and clients that do not send or do not read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.authentication import SimpleUser

from runtime.scripts.player import Call
from runtime.server.settings import ServerSettings
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import Asked
from tests.conversations.talking import Client, user_input

HEAR = "async def hear(audio, context):\n    return f'{len(audio.data)} bytes'\n"
DICTATION = {"chat": {"dictation": {"python": "acts:hear"}}}


class Login:
    """An application around the runtime that knows its users by a header."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = dict(scope["headers"]).get(b"x-user")
        await self._app({**scope, "user": SimpleUser(name.decode())} if name else scope, receive, send)


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(180):
        while not met():  # noqa: ASYNC110  # nothing announces it
            await asyncio.sleep(0)


def user(client: Chat, name: str) -> Client:
    return Client(Login(client.app), {"x-user": name}, client.path)


async def test_every_text_is_refused_before_anything_is_stored(chat: MakeChat) -> None:
    client = await chat({"limits": {"message": 1000, "title": "20B", "payload": "1KiB"}})
    quoting = await client.say("hello", quoted_text="x" * 1000)
    assert (quoting.status, quoting.error["code"]) == (413, "message_too_large")
    assert (await client.call("threads.list")).json["data"] == []
    thread = (await client.say("hello", quoted_text="x" * 900)).thread_id
    renamed = await client.call("threads.update", thread_id=thread, title="x" * 21)
    assert (renamed.status, renamed.error["code"]) == (413, "title_too_large")
    assert renamed.error["message"] == "the title has 21 bytes; at most 20 are allowed"
    assert (await client.act(thread, "any", {"a": "x" * 2000})).error["code"] == "payload_too_large"


async def test_the_message_that_an_action_renders_has_the_limit_of_a_message(chat: MakeChat) -> None:
    actions = {"more": {"message": "{{ payload.text * 100 }}"}}
    client = await chat({"actions": actions, "limits": {"message": 1000}})
    thread = (await client.say("hi")).thread_id
    refused = await client.act(thread, "more", {"text": "x" * 100})
    assert (refused.status, refused.error["code"]) == (413, "message_too_large")


@pytest.mark.in_process
async def test_one_user_has_a_number_of_turns_at_once(chat: MakeChat) -> None:
    client = await chat({"auth": None, "limits": {"concurrent_turns": {"user": 2}}})
    ann, bob = user(client, "ann"), user(client, "bob")
    gate = client.player.gate("Fine.")
    running = [ann.begin("one"), ann.begin("two")]
    await client.player.until(lambda player: len(player.asked) == 2)
    refused = await ann.say("three")
    assert (refused.status, refused.error["code"]) == (429, "too_many_turns")
    assert int(refused.headers["retry-after"]) > 0
    other = bob.begin("hi")
    await client.player.until(lambda player: len(player.asked) == 3)
    gate.open.set()
    for exchange in (*running, other):
        assert (await exchange.end()).said == ["Fine."]
    assert (await ann.say("three")).said == ["Fine."]
    assert client.runtime.server.slots.running == 0


async def test_turns_beyond_the_limit_wait_and_beyond_the_queue_are_refused(chat: MakeChat) -> None:
    client = await chat({"limits": {"concurrent_turns": {"all": 1, "queue": 1}}})
    gate = client.player.gate("Fine.")
    first = client.begin("one")
    await gate.reached.wait()
    second = client.begin("two")
    slots = client.runtime.server.slots
    await _until(lambda: slots.waiting == 1)
    activity = (await client.get("/-/config", {"host": "localhost"})).json["turns"]
    assert activity == {"running": 1, "waiting": 1}
    refused = await client.say("three")
    assert (refused.status, refused.error["code"]) == (503, "too_busy")
    assert int(refused.headers["retry-after"]) > 0
    # What starts no turn is answered.
    assert (await client.call("threads.list")).status == 200
    gate.open.set()
    assert (await first.end()).said == ["Fine."]
    assert (await second.end()).said == ["Fine."]
    assert (slots.running, slots.waiting) == (0, 0)


async def test_a_request_whose_client_leaves_the_queue_starts_no_turn(chat: MakeChat) -> None:
    client = await chat({"limits": {"concurrent_turns": {"all": 1, "queue": 1}}})
    gate = client.player.gate("Fine.")
    first = client.begin("one")
    await gate.reached.wait()
    slots = client.runtime.server.slots
    second = client.begin("two")
    await _until(lambda: slots.waiting == 1)
    second.leave()
    await _until(lambda: slots.waiting == 0)
    # Its place is free for another request.
    third = client.begin("three")
    await _until(lambda: slots.waiting == 1)
    gate.open.set()
    assert (await first.end()).said == ["Fine."]
    assert (await third.end()).said == ["Fine."]
    assert len(client.player.asked) == 2
    assert len((await client.call("threads.list")).json["data"]) == 2
    assert (slots.running, slots.waiting) == (0, 0)


async def test_a_turn_that_fails_or_is_refused_returns_its_slot(chat: MakeChat) -> None:
    def fail(asked: Asked) -> Any:
        raise RuntimeError("no")

    client = await chat({"limits": {"concurrent_turns": {"all": 1, "queue": 0}}})
    client.player.replies = [fail, "Fine."]
    assert (await client.say("hi")).types[-1] == "error"
    assert (await client.say("")).status == 400
    assert (await client.say("hi", "thr_missing")).status == 404
    assert (await client.say("hi")).said == ["Fine."]


@pytest.mark.in_process
async def test_a_request_whose_body_does_not_arrive_is_a_408(chat: MakeChat) -> None:
    client = await chat({"limits": {"receive": "10ms"}})
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/chatkit", "/chatkit/files", "/own"):
        sent.clear()
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"9")]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": headers, "scheme": "http", "root_path": "", "http_version": "1.1", "state": {}}
        scope |= {"client": ("127.0.0.1", 1), "server": ("test", 80), "asgi": {"version": "3.0"}}
        async with asyncio.timeout(180):
            await client.app(scope, never, send)
        assert sent[0]["status"] == (408 if path == "/chatkit" else 404)
    assert client.runtime.server.slots.running == 0


@pytest.mark.in_process
async def test_a_file_that_does_not_arrive_is_a_408(chat: MakeChat) -> None:
    client = await chat({"chat": {"attachments": {"accept": ["text/plain"]}}, "limits": {"receive": "10ms"}})
    announced = await client.call("attachments.create", name="a.txt", mime_type="text/plain", size=100)
    url = announced.json["upload_descriptor"]["url"]

    async def never(scope: Any, receive: Any, send: Any) -> None:
        parts = [{"type": "http.request", "body": b"half", "more_body": True}]

        async def half() -> Any:
            if parts:
                return parts.pop()
            await asyncio.Event().wait()

        await client.app(scope, half, send)

    slow = Client(never).request("PUT", url.removeprefix("http://localhost"), headers={"content-type": "text/plain"})
    await slow.end()
    assert (slow.status, slow.error["code"]) == (408, "request_timeout")


async def _dictate(client: Client, data: bytes, order: tuple[str, str] = ("type", "params"), pad: str = "") -> Any:
    params = {"audio_base64": base64.b64encode(data).decode(), "mime_type": "audio/webm"}
    body = {"type": "input.transcribe", "params": params, "metadata": {"pad": pad}}
    return await client.start(json.dumps({key: body[key] for key in (*order, "metadata")}).encode()).end()


@pytest.mark.parametrize("order", [("type", "params"), ("params", "type")])
async def test_a_recording_of_many_slices_arrives_unchanged(chat: MakeChat, order: tuple[str, str]) -> None:
    client = await chat({**DICTATION, "limits": {"body": "4KiB"}}, acts_py=HEAR)
    for size in (3_000_000, 2_999_999, 2_999_998):
        assert (await _dictate(client, b"\xff" * size, order)).json == {"text": f"{size} bytes"}


async def test_only_the_recording_of_a_dictation_may_be_large(chat: MakeChat) -> None:
    client = await chat({**DICTATION, "limits": {"body": "4KiB"}}, acts_py=HEAR)
    assert (await _dictate(client, b"x" * 90_000, pad="x" * 5000)).error["code"] == "body_too_large"
    for kind in ("threads.list", "unknown"):
        body = {"type": kind, "params": {"audio_base64": "A" * 100_000, "mime_type": "audio/webm"}}
        refused = await client.start(json.dumps(body).encode()).end()
        assert (refused.status, refused.error["code"]) in ((413, "body_too_large"), (400, "invalid_request"))
    many = {"type": "input.transcribe", "params": {"mime_type": "audio/webm", "x": [{}] * 50_000, "audio_base64": ""}}
    assert (await client.start(json.dumps(many).encode()).end()).error["code"] == "body_too_large"


@pytest.mark.parametrize(
    "data", ["=" * 400_000, "A" * 399_999, "A" * 200_000 + "é" + "A" * 200_000, "QUJD=" + "A" * 400_000]
)
async def test_a_large_recording_that_is_not_base64_is_a_400(chat: MakeChat, data: str) -> None:
    client = await chat({**DICTATION, "limits": {"body": "4KiB"}}, acts_py=HEAR)
    refused = await client.call("input.transcribe", audio_base64=data, mime_type="audio/webm")
    assert (refused.status, refused.error["code"]) == (400, "invalid_audio")


@pytest.mark.in_process
async def test_a_request_without_a_login_is_refused_before_its_body_is_read(chat: MakeChat) -> None:
    client = await chat({**DICTATION, "auth": None}, acts_py=HEAR)
    read: list[str] = []

    class Stranger(SimpleUser):
        is_authenticated = False

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def noted() -> Any:
            read.append(scope["path"])
            return await receive()

        await client.app({**scope, "user": Stranger("")}, noted, send)

    assert (await _dictate(Client(app), b"x" * 3_000_000)).status == 401
    assert read == []


@pytest.mark.in_process
@pytest.mark.parametrize("policy", ["cancel", "finish"])
async def test_a_client_that_never_reads_ends_by_on_disconnect_and_keeps_what_was_said(
    chat: MakeChat, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat({"chat": {"on_disconnect": policy}, "limits": {"send": "10ms"}})
    client.player.replies = ["alpha beta"]
    gate = client.player.gate("beta")

    async def stuck(scope: Any, receive: Any, send: Any) -> None:
        async def never(message: Any) -> None:
            await send(message)
            if b"alpha" in message.get("body", b""):
                await asyncio.Event().wait()

        await client.app(scope, receive, never)

    reader = Client(stuck)
    exchange = reader.start(json.dumps({"type": "threads.create", "params": {"input": user_input("hi")}}).encode())
    await exchange.end()
    assert exchange.broken is None
    gate.open.set()
    await _until(lambda: not client.runtime.server.tasks)
    items = await client.items(exchange.thread_id)
    said = [item["content"][0]["text"].strip() for item in items if item["type"] == "assistant_message"]
    assert said == (["alpha beta"] if policy == "finish" else ["alpha"])
    assert "did not read its answer" in caplog.text


@pytest.mark.in_process
async def test_what_waits_for_a_slow_client_is_bounded(chat: MakeChat) -> None:
    client = await chat(settings=ServerSettings(max_unsent=20_000))
    client.player.replies = ["word " * 2000]
    gate = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        async def later(message: Any) -> None:
            await send(message)
            await gate.wait()

        await client.app(scope, receive, later)

    exchange = Client(slow).start(
        json.dumps({"type": "threads.create", "params": {"input": user_input("hi")}}).encode()
    )
    tasks = client.runtime.server.tasks
    await _until(lambda: bool(tasks))
    await _until(lambda: not tasks)
    gate.set()
    await exchange.end()
    assert len(exchange.body) < 40_000
    assert exchange.events[-1]["type"] == "error"
    assert exchange.events[-1]["message"].startswith("The connection is too slow.")


TOOLS = """
import asyncio

ended = []

async def hang() -> str:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("hang")

async def talk() -> str:
    return "word " * 10_000
"""


async def test_a_tool_that_takes_too_long_is_cancelled_and_an_error_for_the_model(chat: MakeChat) -> None:
    tools = {"hang": {"python": "acts:hang"}}
    config = {"tools": tools, "agents": {"helper": {"tools": ["hang"]}}, "limits": {"tool": "20ms"}}
    client = await chat(config, acts_py=TOOLS)
    client.player.replies = [[Call("hang", "{}")], "Sorry."]
    assert (await client.say("hi")).said == ["Sorry."]
    (output,) = client.player.asked[1].of("function_call_output")
    assert "timed out after 0.02 seconds" in output["output"]
    assert client.runtime.generation.snapshot.code.resolve("acts:ended") == ["hang"]


async def test_the_output_of_a_tool_is_cut_before_the_model_and_the_store_get_it(chat: MakeChat) -> None:
    config = {"agents": {"helper": {"tools": ["acts:talk"]}}, "limits": {"tool_output": "1KiB"}}
    client = await chat(config, acts_py=TOOLS)
    client.player.replies = [[Call("talk", "{}")], "Done."]
    answer = await client.say("hi")
    (output,) = client.player.asked[1].of("function_call_output")
    assert output["output"].startswith("word word")
    assert "[The output was cut: it has 50000 bytes, and at most 1024 are given." in output["output"]
    assert len(str(await client.hidden(answer.thread_id))) < 10_000


@pytest.mark.in_process
async def test_requests_have_a_rate_for_each_user_and_address(chat: MakeChat) -> None:
    client = await chat({"auth": None, "limits": {"requests": {"user": "2/hour", "address": "4/hour"}}})
    ann, bob = user(client, "ann"), user(client, "bob")
    assert [(await ann.call("threads.list")).status for _ in range(2)] == [200, 200]
    refused = await ann.get("/chatkit/options.json")
    assert (refused.status, refused.error["code"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert (await bob.call("threads.list")).status == 200
    # The address comes before the login: guesses are limited as well.
    assert (await bob.call("threads.list")).error["code"] == "too_many_requests"
    assert (await client.call("threads.list")).status == 429
    assert (await client.get("/ready")).status == 200
