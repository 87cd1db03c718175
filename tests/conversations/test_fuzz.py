"""Thousands of hostile requests of every type and route: no 500, no hang, no stream that ends without saying why.

`CHATKIT_TEST_FUZZ` is the number of requests, `CHATKIT_TEST_FUZZ_SEED` the seed; a failure prints both and the request.
"""

from __future__ import annotations

import json
import logging
import os
import random
import warnings
from collections import Counter
from typing import Any

from chatkit.types import ChatKitReq
from pydantic import TypeAdapter

from runtime.testing.store_samples import one_of_each
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call
from tests.conversations.talking import Exchange

logger = logging.getLogger("tests.fuzz")
COUNT = int(os.environ.get("CHATKIT_TEST_FUZZ", "2000"))
SEED = int(os.environ.get("CHATKIT_TEST_FUZZ_SEED", "1"))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a default that JSON can't hold
    SCHEMA = TypeAdapter(ChatKitReq).json_schema()
# A store, a model or the network may be the cause of these, and none of them is a fault of the server.
ALLOWED = {200, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 414, 415, 422, 429, 431, 499, 501, 503}
HOSTILE: list[Any] = [
    "", " ", "\0", "\ud800", "\udfff\ud800", "\u202e", "🏔" * 50, "a" * 5000, "../../etc/passwd",
    "'; DROP TABLE threads; --",
    "{{ 7 * 7 }}", "{% for x in range(10**9) %}", "<script>", "</HiddenContext>", "%00", "null",
    "\r\nX: y", "__proto__",
    None, True, False, 0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, [], {},
    [[]], [None], {"": ""}, {"type": None},
]  # fmt: skip
CODE = """
from agents import RunContextWrapper
async def weigh(ctx: RunContextWrapper, n: int) -> str:
    await ctx.context.progress("weighing")
    return str(n)
async def act(ctx, action, sender):
    await ctx.context.notice("info", str(action.payload)[:100])
def search(query, context):
    return [{"id": "a", "title": query[:20] or "-"}]
"""


class Fuzzer:
    """Makes requests; what it has learnt of threads and items makes some of them valid."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ids: list[str] = ["thr_none"]
        self.hostility = 0.0

    def value(self, schema: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        """A value that mostly matches a JSON Schema."""
        pick = self.random
        if pick.random() < self.hostility or depth > 12:
            return pick.choice(HOSTILE)
        if "$ref" in schema:
            return self.value(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], name, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return pick.choice(schema["enum"])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return self.value(pick.choice(schema[key]), name, depth + 1)
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                count = pick.choice([0, 0, 0, 1] if name == "attachments" else [0, 1, 1, 2, 5])
                return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(count)]
            case "string":
                return self._text(name)
            case "integer":
                return pick.choice([1, 2, 20, 100])
            case "number":
                return pick.random()
            case "boolean":
                return pick.random() < 0.5
            case "null":
                return None
        return pick.choice(HOSTILE)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        pick, required = self.random, schema.get("required", ())
        made = {
            name: self.value(inner, name, depth + 1)
            for name, inner in schema.get("properties", {}).items()
            if (pick.random() >= self.hostility if name in required or name == "type" else pick.random() < 0.3)
        }
        if pick.random() < self.hostility:
            made[str(pick.choice(HOSTILE))] = pick.choice(HOSTILE)
        return made

    def _text(self, name: str) -> str:
        if name.endswith(("id", "ids", "after")) and self.random.random() >= self.hostility:
            wants_thread = name == "thread_id"
            return self.random.choice(
                [each for each in self.ids if each.startswith("thr_") is wants_thread] or self.ids
            )
        if name == "type":
            return self.random.choice(["act", "ask", "chatkit.approval", "nothing"])
        return self.random.choice(
            ["hello", "Tea?", "2026-01-01", "text/plain", *[t for t in HOSTILE if isinstance(t, str)]]
        )

    def body(self) -> bytes:
        """The body of a ChatKit request: valid, mutated, or bytes."""
        pick = self.random
        # The branches of the union, one for each type of request.
        kinds = _leaves(SCHEMA)
        self.hostility = pick.choice([0.0, 0.01, 0.06])
        # Half of them speak to the model.
        kind = pick.choice(kinds) if pick.random() < 0.5 else pick.choice([each for each in kinds if _is_message(each)])
        text = json.dumps(self.value(kind)).encode()
        fate = pick.random()
        if fate < 0.85:
            return text
        if fate < 0.9:
            return text[: pick.randrange(len(text) + 1)]
        if fate < 0.95:
            at = pick.randrange(len(text) + 1)
            return text[:at] + pick.randbytes(pick.randrange(1, 5)) + text[at:]
        return pick.choice(
            [b"", b"null", b"[]", b"[" * 5000, b'{"type":' * 500, pick.randbytes(200), b"\xff\xfe{}", b"1" * 9000]
        )

    def headers(self) -> dict[str, str]:
        """Headers that a hostile client adds."""
        pick = self.random
        if pick.random() < 0.8:
            return {}
        name = pick.choice(
            ["content-type", "accept-language", "x-request-id", "content-length", "authorization", "range"]
        )
        return {
            name: pick.choice(["", "a" * 3000, "text/plain", "-1", "99999999999", "Bearer x", "bytes=5-1", "é", "*"])
        }

    def route(self) -> tuple[str, str]:
        """A method and a path of another route."""
        pick = self.random
        word = pick.choice(["a", "%00", "..%2f..", "%ff", "x" * 3000, "%F0%9F%8F%94", pick.choice(self.ids)])
        path = pick.choice([
            "/chatkit/options.json", f"/chatkit/entities?q={word}", f"/chatkit/entities/{word}", "/health", "/ready",
            f"/chatkit/entities/{word}/preview", f"/chatkit/files/{word}", "/chatkit/files", "/-/config", "/-/feedback",
            f"/-/usage?since={word}", f"/{word}", "/chatkit",
        ])  # fmt: skip
        return pick.choice(["GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"]), path


def _leaves(schema: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [each for key in ("oneOf", "anyOf") for each in schema.get(key, ())]
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [schema]


def _is_message(schema: dict[str, Any]) -> bool:
    return any(
        word in json.dumps(schema) for word in ("ThreadsCreateReq", "AddUserMessage", "CustomAction", "RetryAfter")
    )


def is_stream(exchange: Exchange) -> bool:
    return exchange.headers.get("content-type", "").startswith("text/event-stream")


def check(exchange: Exchange, request: object) -> None:
    """Fail unless the request was answered whole."""
    told = f"seed {SEED}: {request!r}: {exchange.status} {exchange.body[-500:]!r}"
    assert exchange.broken is None, f"{told} {exchange.broken!r}"
    assert exchange.complete, told
    assert exchange.status in ALLOWED, told
    if is_stream(exchange):
        assert exchange.body.endswith(b"\n\n"), told
        assert exchange.events, told


async def _thread_of_everything(client: Chat) -> list[str]:
    """Store a thread with an item of every kind; return the ids."""
    thread = (await client.say("hello")).thread_id
    items = [item.model_copy(update={"id": f"{item.id}_{thread}"}) for item in one_of_each(thread)]
    await client.runtime.store.write_items("local", thread, items)
    return [thread, thread, thread, *(item.id for item in items)]


async def test_no_hostile_request_gets_a_500_hangs_or_is_cut_off(chat: MakeChat) -> None:
    config = {
        "tools": {"weigh": "mod:weigh", "pick": {"client": "pick"}},
        "actions": {"act": {"python": "mod:act", "sync": True}, "ask": {"message": "More of {{ payload }}"}},
        "agents": {
            "helper": {"tools": ["weigh", "pick"], "instructions": "{{ locale }} {{ thread.title }} {{ user.id }}"}
        },
        "chat": {"attachments": {}, "tags": {"search": "mod:search"}},
    }
    client = await chat(config, mod_py=CODE)
    fuzzer = Fuzzer(SEED)
    fuzzer.ids += await _thread_of_everything(client)
    client.player.replies = [
        lambda asked: fuzzer.random.choice(
            ["Fine.", "Half \ud83d", [call("weigh", n=1)], [call("pick")], [call("weigh", n="x")]]
        )
    ]
    answers: Counter[int] = Counter()
    for number in range(COUNT):
        if fuzzer.random.random() < 0.15:
            method, path = fuzzer.route()
            request: Any = (method, path, fuzzer.body() if method in ("POST", "PUT") else b"")
            exchange = client.request(*request, fuzzer.headers())
        else:
            request = (fuzzer.body(), fuzzer.headers())
            exchange = client.start(*request)
        check(await exchange.end(), (number, request))
        answers[0 if is_stream(exchange) else exchange.status] += 1
        if number % 50 == 0:
            fuzzer.ids += (await _thread_of_everything(client))[:6]
            fuzzer.ids = fuzzer.ids[-60:]
    logger.warning("%d requests: %d streams, by status %s", COUNT, answers[0], sorted(answers.items()))
    # A fuzzer that is refused at the door has tested nothing behind it.
    assert answers[0] > COUNT / 25
    assert answers[200] > COUNT / 25
    client.player.replies = ["Fine."]
    assert (await client.say("still there?")).said == ["Fine."]
