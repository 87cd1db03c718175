"""What a request may be, what it must not be, and how the answer says so before a stream begins."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from chatkit.types import ClosedStatus, LockedStatus, StructuredInputFreeform, StructuredInputItem

from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.talking import user_input

MALFORMED = [
    b"not json",
    b"{}",
    b"[]",
    b'{"type": "threads.explode", "params": {}}',
    b'{"type": "threads.create"}',
    b'{"type": "threads.create", "params": {}}',
    b'{"type": "threads.get_by_id", "params": {"thread_id": 7}}',
    b'{"type": "threads.create", "params": {"input": {"content": "hi"}}}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_a_malformed_request_is_a_400_in_json_with_a_request_id(chat: MakeChat, body: bytes) -> None:
    answer = await (await chat()).start(body).end()
    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
    assert answer.error["request_id"].startswith("req_")


async def test_the_answer_to_a_malformed_request_names_the_wrong_field(chat: MakeChat) -> None:
    client = await chat()
    answer = await client.call("threads.update", thread_id="thr_1")
    assert answer.error["message"] == "params.title: Field required"
    assert (await client.start(b"{}").end()).error["message"] == "the request has no `type`"
    assert "'threads.explode' is unknown" in (await client.start(MALFORMED[3]).end()).error["message"]


@pytest.mark.parametrize("body", MALFORMED[:5])
async def test_the_bare_sdk_breaks_on_a_malformed_request(bare: MakeBare, body: bytes) -> None:
    answer = await bare().start(body).end()
    assert answer.broken is not None
    assert answer.status == 500


UNKNOWN_THREAD: list[tuple[str, dict[str, Any]]] = [
    ("threads.get_by_id", {}),
    ("threads.update", {"title": "New"}),
    ("items.list", {}),
    ("items.feedback", {"item_ids": ["msg_1"], "kind": "positive"}),
    ("threads.add_user_message", {"input": user_input("hi")}),
    ("threads.retry_after_item", {"item_id": "msg_1"}),
    ("threads.add_client_tool_output", {"result": 1}),
    ("threads.add_structured_input", {"item_id": "msg_1", "input": {}}),
    ("threads.custom_action", {"action": {"type": "known"}}),
    ("threads.sync_custom_action", {"action": {"type": "known"}}),
]
ACTION = "async def known(ctx, action, sender):\n    return None\n"


@pytest.mark.parametrize(("kind", "params"), UNKNOWN_THREAD)
async def test_every_request_about_an_unknown_thread_is_a_404_before_any_stream(
    chat: MakeChat, kind: str, params: dict[str, Any]
) -> None:
    client = await chat({"actions": {"known": {"python": "acts:known", "sync": True}}}, acts_py=ACTION)
    answer = await client.call(kind, thread_id="thr_missing", **params)
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert "thr_missing" in answer.error["message"]


@pytest.mark.parametrize(
    ("kind", "params"), [pair for pair in UNKNOWN_THREAD if pair[0] not in ("items.list", "items.feedback")]
)
async def test_the_bare_sdk_breaks_on_an_unknown_thread(bare: MakeBare, kind: str, params: dict[str, Any]) -> None:
    answer = await bare().call(kind, thread_id="thr_missing", **params)
    assert answer.broken is not None
    # A stream has begun by then: 200, and the connection is cut.
    assert answer.events == [] if answer.status == 200 else answer.status == 500


async def test_the_bare_sdk_lists_the_items_of_an_unknown_thread(bare: MakeBare) -> None:
    answer = await bare().call("items.list", thread_id="thr_missing")
    assert answer.json == {"data": [], "has_more": False}


async def test_deleting_a_thread_twice_is_fine(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    for _ in range(2):
        answer = await client.call("threads.delete", thread_id=thread)
        assert (answer.status, answer.json) == (200, {})
    assert (await client.call("threads.get_by_id", thread_id=thread)).status == 404
    assert (await client.call("threads.list")).json["data"] == []


async def test_a_retry_of_what_is_no_user_message_is_refused_before_the_stream(chat: MakeChat) -> None:
    client = await chat()
    first = await client.say("hi")
    answer_id = first.done("assistant_message")[0]["id"]
    refused = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=answer_id)
    assert (refused.status, refused.error["code"]) == (400, "wrong_item")
    missing = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id="msg_missing")
    assert missing.status == 404
    assert len(await client.items(first.thread_id)) == 2


async def test_the_bare_sdk_cuts_the_stream_when_no_user_message_is_retried(bare: MakeBare) -> None:
    client = bare()
    first = await client.say("hi")
    answer_id = first.done("assistant_message")[0]["id"]
    answer = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=answer_id)
    assert answer.status == 200
    assert answer.broken is not None
    assert answer.events == []


async def test_an_action_of_an_item_that_is_no_widget_is_refused(chat: MakeChat) -> None:
    client = await chat({"actions": {"known": {"python": "acts:known", "sync": True}}}, acts_py=ACTION)
    first = await client.say("hi")
    item = first.done("user_message")[0]["id"]
    for act in (client.act, client.act_now):
        assert (await act(first.thread_id, "known", item=item)).error["code"] == "wrong_item"
        assert (await act(first.thread_id, "known", item="msg_missing")).status == 404


async def test_a_new_thread_with_a_bad_attachment_stores_nothing(chat: MakeChat) -> None:
    client = await chat()
    answer = await client.say("hi", attachments=["atc_missing"])
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert (await client.call("threads.list")).json["data"] == []
    assert client.player.asked == []


async def test_the_bare_sdk_leaves_an_orphan_thread_behind_a_bad_attachment(bare: MakeBare) -> None:
    client = bare()
    answer = await client.say("hi", attachments=["atc_missing"])
    assert (answer.status, answer.types) == (200, ["thread.created"])
    assert answer.broken is not None
    assert len(client.server.dicts.threads) == 1


@pytest.mark.parametrize("limit", [-1, 0, 101, 1_000_000_000])
async def test_a_limit_outside_of_1_to_100_is_a_400(chat: MakeChat, limit: int) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    assert (await client.call("threads.list", limit=limit)).error["code"] == "invalid_limit"
    assert (await client.call("items.list", thread_id=thread, limit=limit)).error["code"] == "invalid_limit"


async def test_a_cursor_that_names_nothing_is_a_400(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    assert (await client.call("threads.list", after="thr_missing")).error["code"] == "invalid_cursor"
    refused = await client.call("items.list", thread_id=thread, after="msg_missing")
    assert (refused.status, refused.error["code"]) == (400, "invalid_cursor")


async def test_the_bare_sdk_drops_a_row_for_a_negative_limit_and_restarts_at_a_bad_cursor(bare: MakeBare) -> None:
    client = bare()
    for _ in range(3):
        await client.say("hi")
    assert len((await client.call("threads.list", limit=-1)).json["data"]) == 2
    assert len((await client.call("threads.list", after="thr_missing")).json["data"]) == 3


async def test_pages_of_threads_and_items_lead_through_everything_once(chat: MakeChat) -> None:
    client = await chat()
    threads = [(await client.say(f"hello {n}")).thread_id for n in range(5)]
    seen: list[str] = []
    after = None
    while True:
        page = (await client.call("threads.list", limit=2, order="asc", after=after)).json
        seen += [thread["id"] for thread in page["data"]]
        if not page["has_more"]:
            break
        after = page["after"]
    assert seen == threads
    newest = (await client.call("threads.list")).json["data"]
    assert [thread["id"] for thread in newest] == threads[::-1]


async def test_a_body_that_is_too_large_is_a_413_whether_announced_or_not(chat: MakeChat) -> None:
    client = await chat({"limits": {"body": 1000}})
    body = json.dumps({"type": "threads.create", "params": {"input": user_input("x" * 2000)}}).encode()
    announced = await client.start(body, {"content-length": str(len(body))}).end()
    assert (announced.status, announced.error["code"]) == (413, "body_too_large")
    assert (await client.start(body).end()).status == 413
    assert client.player.asked == []


async def test_a_message_that_is_too_large_is_a_413_and_sizes_are_utf_8_bytes(chat: MakeChat) -> None:
    client = await chat({"limits": {"message": 10}})
    assert (await client.say("ééééé")).status == 200
    refused = await client.say("éééééé")
    assert (refused.status, refused.error["code"]) == (413, "message_too_large")
    assert "12 bytes" in refused.error["message"]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_an_empty_message_is_a_400_in_new_and_old_threads(chat: MakeChat, text: str) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    assert (await client.say(text)).error["code"] == "empty_message"
    assert (await client.say(text, thread)).error["code"] == "empty_message"
    assert (await client.call("threads.create", input=user_input("", content=[]))).error["code"] == "empty_message"
    assert len((await client.call("threads.list")).json["data"]) == 1


async def test_the_bare_sdk_runs_the_model_on_an_empty_message_and_on_20_megabytes(bare: MakeBare) -> None:
    client = bare()
    assert (await client.say("")).said == ["Fine."]
    assert (await client.say("x" * 20_000_000)).said == ["Fine."]


async def test_a_model_or_tool_that_the_composer_does_not_offer_is_a_400(chat: MakeChat) -> None:
    client = await chat()
    model = await client.say("hi", inference_options={"model": "gpt-6.1-sol"})
    assert (model.status, model.error["code"]) == (400, "unknown_model")
    tool = await client.say("hi", inference_options={"tool_choice": {"id": "rm"}})
    assert (tool.status, tool.error["code"]) == (400, "unknown_tool")
    assert client.player.asked == []


async def test_the_bare_sdk_takes_any_model_from_the_browser(bare: MakeBare) -> None:
    answer = await bare().say("hi", inference_options={"model": "made-up", "tool_choice": {"id": "made-up"}})
    assert answer.said == ["Fine."]


@pytest.mark.parametrize("status", [LockedStatus(reason="closed for the night"), ClosedStatus()])
async def test_a_locked_or_closed_thread_is_a_409_for_everything_that_writes(chat: MakeChat, status: Any) -> None:
    client = await chat({"actions": {"known": {"python": "acts:known", "sync": True}}}, acts_py=ACTION)
    first = await client.say("hi")
    thread, item = first.thread_id, first.done("user_message")[0]["id"]
    await client.runtime.store.update_thread("local", thread, status=status)
    for refused in (
        await client.say("again", thread),
        await client.call("threads.retry_after_item", thread_id=thread, item_id=item),
        await client.result(thread, 1),
        await client.act(thread, "known"),
        await client.act_now(thread, "known"),
    ):
        assert (refused.status, refused.error["code"]) == (409, f"thread_{status.type}")
    assert (await client.call("threads.get_by_id", thread_id=thread)).json["status"]["type"] == status.type
    assert len(await client.items(thread)) == 2


async def test_the_bare_sdk_answers_in_a_locked_thread(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    client.server.dicts.threads[thread].status = LockedStatus()
    assert (await client.say("again", thread)).said == ["Fine."]


async def test_what_is_not_offered_is_a_501(chat: MakeChat) -> None:
    client = await chat({"actions": {"known": "acts:known"}}, acts_py=ACTION)
    thread = (await client.say("hi")).thread_id
    audio = await client.call("input.transcribe", audio_base64="aGk=", mime_type="audio/webm")
    upload = await client.call("attachments.create", name="a.png", size=3, mime_type="image/png")
    gone = await client.call("attachments.delete", attachment_id="atc_1")
    sync = await client.act_now(thread, "known")
    assert [answer.status for answer in (audio, upload, gone, sync)] == [501] * 4
    assert {answer.error["code"] for answer in (audio, upload, gone, sync)} == {"not_supported"}


async def test_audio_that_is_not_base64_is_a_400(chat: MakeChat) -> None:
    answer = await (await chat()).call("input.transcribe", audio_base64="not base64!", mime_type="audio/webm")
    assert (answer.status, answer.error["code"]) == (400, "invalid_audio")


@pytest.mark.parametrize("audio", ["aGk=", "x"])
async def test_the_bare_sdk_breaks_on_dictation_and_on_sync_actions(bare: MakeBare, audio: str) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    assert (await client.call("input.transcribe", audio_base64=audio, mime_type="audio/webm")).status == 500
    assert (await client.act_now(thread, "known")).status == 500


async def test_feedback_is_stored_and_a_bogus_item_is_a_404(chat: MakeChat) -> None:
    client = await chat()
    first = await client.say("hi")
    thread, item = first.thread_id, first.done("assistant_message")[0]["id"]
    stored = await client.call("items.feedback", thread_id=thread, item_ids=[item], kind="negative")
    assert (stored.status, stored.json) == (200, {})
    assert await client.runtime.store.load_feedback("local", thread) == {item: "negative"}
    bogus = await client.call("items.feedback", thread_id=thread, item_ids=["msg_missing"], kind="positive")
    assert bogus.status == 404


async def test_the_bare_sdk_throws_feedback_away_even_for_a_bogus_thread(bare: MakeBare) -> None:
    answer = await bare().call("items.feedback", thread_id="thr_missing", item_ids=["msg_1"], kind="positive")
    assert (answer.status, answer.json) == (200, {})


def _questions(thread: str) -> StructuredInputItem:
    return StructuredInputItem(
        id="msg_questions",
        thread_id=thread,
        created_at=datetime.now(UTC),
        inputs=[StructuredInputFreeform(id="city", question="Which city?")],
    )


async def test_structured_input_is_checked_before_the_stream_and_answered_once(chat: MakeChat) -> None:
    client = await chat()
    first = await client.say("hi")
    thread = first.thread_id
    await client.runtime.store.write_items("local", thread, [_questions(thread)])

    async def answer(item: str, **answers: Any) -> Any:
        given = {"answers": {name: {"values": [value]} for name, value in answers.items()}}
        return await client.call("threads.add_structured_input", thread_id=thread, item_id=item, input=given)

    wrong = await answer(first.done("user_message")[0]["id"], city="Oslo")
    assert (wrong.status, wrong.error["code"]) == (400, "wrong_item")
    # An answer to a question that the item does not have is ignored, as by the SDK.
    good = await answer("msg_questions", city="Oslo", town="Bergen")
    assert good.of("thread.item.replaced")[0]["item"]["inputs"][0]["answer"] == {"values": ["Oslo"], "skipped": False}
    assert good.said == ["Fine."]
    assert "Oslo" in json.dumps(client.player.asked[-1].input)
    assert "Bergen" not in json.dumps(client.player.asked[-1].input)
    late = await answer("msg_questions", city="Rome")
    assert (late.status, late.error["code"]) == (409, "already_answered")


async def test_the_bare_sdk_cuts_the_stream_of_structured_input_for_a_wrong_item(bare: MakeBare) -> None:
    client = bare()
    first = await client.say("hi")
    item = first.done("user_message")[0]["id"]
    answer = await client.call("threads.add_structured_input", thread_id=first.thread_id, item_id=item, input={})
    assert (answer.status, answer.events) == (200, [])
    assert answer.broken is not None


async def test_an_at_tag_reaches_the_model_without_a_converter_of_ones_own(chat: MakeChat) -> None:
    client = await chat()
    tag = {"type": "input_tag", "id": "doc_7", "text": "Plan", "data": {"path": "plan.md"}, "group": None}
    content = [{"type": "input_text", "text": "read "}, tag]
    answer = await client.call("threads.create", input=user_input("", content=content))
    assert answer.said == ["Fine."]
    told = json.dumps(client.player.asked[0].input)
    assert "@Plan stands for" in told
    assert "plan.md" in told


async def test_the_bare_sdk_fails_on_an_at_tag(bare: MakeBare) -> None:
    tag: dict[str, Any] = {"type": "input_tag", "id": "doc_7", "text": "Plan", "data": {}, "group": None}
    answer = await bare().call("threads.create", input=user_input("", content=[tag]))
    assert answer.of("error") == [{"type": "error", "code": "stream.error", "allow_retry": True}]


async def test_quoted_text_reaches_the_model(chat: MakeChat) -> None:
    client = await chat()
    await client.say("what is this?", quoted_text="the quoted words")
    assert "the quoted words" in json.dumps(client.player.asked[0].input)


async def test_a_get_of_the_chatkit_path_is_a_405_in_json(chat: MakeChat) -> None:
    answer = await (await chat()).get("/chatkit")
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
