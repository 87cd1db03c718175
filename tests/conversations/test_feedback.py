"""Feedback: ratings of answers are stored, and the operator can export them."""

from __future__ import annotations

import json

import pytest

from tests.conversations.conftest import Chat, MakeChat

TOKEN = "let-me-in"


async def _rate(client: Chat, thread: str, item: str, kind: str) -> None:
    rated = await client.call("items.feedback", thread_id=thread, item_ids=[item], kind=kind)
    assert rated.json == {}


async def test_feedback_is_exported_line_by_line_with_the_last_word_of_each_user(chat: MakeChat) -> None:
    client = await chat({"chat": {"feedback": True}, "store": "sqlite:///threads.db", "admin": {"token": TOKEN}})
    first, second = await client.say("one"), await client.say("two")
    for answer, kinds in ((first, ("negative", "positive")), (second, ("negative",))):
        for kind in kinds:
            await _rate(client, answer.thread_id, answer.done("assistant_message")[0]["id"], kind)
    exported = await client.get("/-/feedback", {"authorization": f"Bearer {TOKEN}"})
    assert exported.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in exported.body.decode().splitlines()]
    assert [(line["owner"], line["thread_id"], line["kind"]) for line in lines] == [
        ("local", first.thread_id, "positive"),
        ("local", second.thread_id, "negative"),
    ]


async def test_feedback_is_refused_to_another_machine_without_the_token(chat: MakeChat) -> None:
    client = await chat({"admin": {"token": TOKEN}})
    refused = await client.get("/-/feedback", {"x-forwarded-for": "192.0.2.1"})
    assert (refused.status, refused.error["code"]) == (401, "unauthenticated")


async def test_the_options_of_the_page_say_whether_answers_can_be_rated(chat: MakeChat) -> None:
    client = await chat({"chat": {"feedback": True}})
    assert (await client.get("/chatkit/options.json")).json["threadItemActions"]["feedback"] is True


TELLS = """
told = []
async def tell(thread_id, item_ids, kind, context):
    told.append((thread_id, item_ids, kind, context["who"]))
    if kind == "negative":
        raise RuntimeError("the desk does not answer")
def who(request):
    return {"who": "me"}
"""


async def test_a_function_is_called_for_each_rating_after_it_is_stored(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"chat": {"feedback": {"python": "desk:tell"}}, "context": "desk:who"}
    client = await chat(config, desk_py=TELLS)
    assert (await client.get("/chatkit/options.json")).json["threadItemActions"]["feedback"] is True
    answer = await client.say("one")
    thread, item = answer.thread_id, answer.done("assistant_message")[0]["id"]
    await _rate(client, thread, item, "positive")
    # Its failure is no failure of the rating.
    await _rate(client, thread, item, "negative")
    told = client.runtime.live.current.snapshot.code.resolve("desk:told")
    assert told == [(thread, [item], "positive", "me"), (thread, [item], "negative", "me")]
    assert await client.runtime.store.load_feedback("local", thread) == {item: "negative"}
    assert "`chat.feedback` failed" in caplog.text
    assert "RuntimeError: the desk does not answer" in caplog.text
    unknown = await client.call("items.feedback", thread_id=thread, item_ids=["msg_none"], kind="positive")
    assert (unknown.status, len(told)) == (404, 2)
