"""The runtime's own path of events against the stock one: the same runs through both, for every event that there is."""

from __future__ import annotations

import json
import typing
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from openai.types.responses import Response, ResponseOutputItem, ResponseStreamEvent
from openai.types.responses.response_output_message import ResponseOutputMessage
from openai.types.responses.response_output_text_annotation_added_event import AnnotationURLCitation

from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import Player
from tests.conversations.talking import Exchange

KINDS: dict[str, Any] = {
    typing.get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in typing.get_args(typing.get_args(ResponseStreamEvent)[0])
}
ENDS = ("error", "response.failed", "response.incomplete")
"""These end the run with an error, on both sides."""
TEXT = "Once upon a time."
PICTURE = "aGVsbG8="


def raw(kind: str, **fields: Any) -> Any:
    """An event as the API sends it; what a scene does not care about is filled in."""
    given = {"sequence_number": 1, "item_id": "msg_1", "output_index": 0, "content_index": 0, "summary_index": 0}
    known = KINDS[kind].model_fields
    common = {"delta": "x", "text": "x", "code": "x", "arguments": "{}", "message": "no", "name": "x", "refusal": "x"}
    filled = {name: value for name, value in {**common, **given}.items() if name in known}
    return KINDS[kind].model_construct(type=kind, **{**filled, **fields})


def response(*output: Any) -> Response:
    return Response(
        id="resp_1",
        created_at=1,
        model="replayed",
        object="response",
        output=list(output),
        parallel_tool_calls=True,
        status="completed",
        tool_choice="auto",
        tools=[],
    )


def message(text: str = TEXT, annotations: Sequence[Any] = ()) -> ResponseOutputMessage:
    part = {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}
    return ResponseOutputMessage.model_validate(
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    )


def item(**fields: Any) -> Any:
    """An output item of any kind, as `response.output_item.added` and `done` carry it."""
    kinds = typing.get_args(typing.get_args(ResponseOutputItem)[0])
    kind = next(each for each in kinds if fields["type"] in typing.get_args(each.model_fields["type"].annotation))
    return kind.model_construct(**fields)


def said(text: str = TEXT, *between: Any) -> list[Any]:
    """A message from its start to its end, with other events after its first piece."""
    empty = message().model_copy(update={"content": [], "status": "in_progress"})
    part = message("").content[0]
    half = len(text) // 2
    return [
        raw("response.output_item.added", item=empty),
        raw("response.content_part.added", part=part),
        raw("response.output_text.delta", delta=text[:half]),
        *between,
        raw("response.output_text.delta", delta=text[half:]),
        raw("response.output_text.done", text=text),
        raw("response.content_part.done", part=message(text).content[0]),
        raw("response.output_item.done", item=message(text)),
    ]


def thought(*parts: str) -> list[Any]:
    reasoning = item(type="reasoning", id="rs_1", summary=[])
    events = [raw("response.output_item.added", item=reasoning)]
    for index, part in enumerate(parts):
        at = {"item_id": "rs_1", "summary_index": index}
        events += [
            raw("response.reasoning_summary_part.added", **at),
            *(raw("response.reasoning_summary_text.delta", delta=word, **at) for word in part.split()),
            raw("response.reasoning_summary_text.done", text=part, **at),
            raw("response.reasoning_summary_part.done", **at),
        ]
    return [*events, raw("response.output_item.done", item=reasoning)]


def painted() -> list[Any]:
    begun = item(type="image_generation_call", id="ig_1", status="in_progress", result=None)
    at = {"item_id": "ig_1"}
    return [
        raw("response.output_item.added", item=begun),
        raw("response.image_generation_call.in_progress", **at),
        raw("response.image_generation_call.generating", **at),
        raw("response.image_generation_call.partial_image", partial_image_b64=PICTURE, partial_image_index=0, **at),
        raw("response.image_generation_call.partial_image", partial_image_b64=PICTURE, partial_image_index=1, **at),
        raw("response.image_generation_call.completed", **at),
        raw("response.output_item.done", item=begun.model_copy(update={"status": "completed", "result": PICTURE})),
    ]


SCENES: dict[str, list[Any]] = {
    "a message": said(),
    "a message of one piece": said("x"),
    "thoughts before a message": [*thought("I think", "so I am"), *said()],
    "thoughts alone": thought("I think"),
    "a picture": [*painted(), *said()],
    "a picture between": said(TEXT, *painted()),
    "nothing": [],
}


def is_structural(kind: str) -> bool:
    """Whether an event is one that the scenes have in its place; alone it would be no answer."""
    return (
        kind in ENDS
        or kind in {event.type for events in SCENES.values() for event in events}
        or kind
        in (
            "response.created",
            "response.completed",
        )
    )


CITATION = "response.output_text.annotation.added"
"""The one event that the stock path breaks at: docs/sdk-differences.md#citations."""
REFUSAL = "response.refusal.delta"
THOUGHTS = {"response.reasoning_text.delta", "response.reasoning_text.done"}
BESIDE = [kind for kind in KINDS if not is_structural(kind) and kind not in (CITATION, REFUSAL, *THOUGHTS)]


async def replay(player: Player, client: Any, events: Sequence[Any]) -> Exchange:
    """Say something to a server whose model sends just these events."""
    output = [
        event.item for event in events if event.type == "response.output_item.done" and event.item.type == "message"
    ]

    async def stream(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        yield raw("response.created", response=response())
        for event in events:
            yield event
        yield raw("response.completed", response=response(*output))

    player.stream_response = stream  # type: ignore[method-assign]  # what this test is about
    exchange: Exchange = await client.say("go")
    return exchange


def normal(exchange: Exchange) -> list[Any]:
    """What was sent about the answer's items, with ids in the order of their appearance and without times."""
    kept = [event for event in exchange.events if event["type"].startswith(("thread.item.", "error"))]
    kept = [event for event in kept if (event.get("item") or {}).get("type") != "user_message"]
    names: dict[str, str] = {}

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {
                name: clean(inner, name) for name, inner in value.items() if name not in ("created_at", "thread_id")
            }
        if isinstance(value, list):
            return [clean(inner) for inner in value]
        if key in ("id", "item_id") and isinstance(value, str):
            return names.setdefault(value, f"#{len(names) + 1}")
        return value

    return [clean(event) for event in kept]


@pytest.mark.parametrize("scene", SCENES)
async def test_a_run_gives_the_same_events_on_both_paths(
    chat: MakeChat, bare: MakeBare, player: Player, scene: str
) -> None:
    stock = normal(await replay(player, bare(), SCENES[scene]))
    ours = normal(await replay(player, await chat({"chat": {"title": "off"}}), SCENES[scene]))
    assert json.dumps(ours, indent=1) == json.dumps(stock, indent=1)


@pytest.mark.parametrize("kind", BESIDE)
async def test_any_other_event_beside_a_message_changes_nothing_on_both_paths(
    chat: MakeChat, bare: MakeBare, player: Player, kind: str
) -> None:
    events = said(TEXT, raw(kind))
    stock = normal(await replay(player, bare(), events))
    ours = normal(await replay(player, await chat({"chat": {"title": "off"}}), events))
    assert json.dumps(ours, indent=1) == json.dumps(stock, indent=1)
    assert [event["type"] for event in ours if event["type"] == "error"] == []


async def test_a_citation_is_shown_where_the_stock_path_breaks(chat: MakeChat, bare: MakeBare, player: Player) -> None:
    page = {"type": "url_citation", "url": "https://example.com/", "title": "Tides", "start_index": 0, "end_index": 4}
    annotation = AnnotationURLCitation.model_validate(page)
    events = said(TEXT, raw(CITATION, annotation=annotation, annotation_index=0))
    assert [event["type"] for event in normal(await replay(player, bare(), events))][-1] == "error"
    ours = normal(await replay(player, await chat({"chat": {"title": "off"}}), events))
    shown = [
        event["update"] for event in ours if event["type"] == "thread.item.updated" and "annotation" in event["update"]
    ]
    assert [update["annotation"]["source"]["url"] for update in shown] == ["https://example.com/"]
    assert ours[-1]["type"] == "thread.item.done"


@pytest.mark.parametrize("kind", ENDS)
async def test_what_ends_a_run_is_an_error_on_both_paths(
    chat: MakeChat, bare: MakeBare, player: Player, kind: str
) -> None:
    more = {"response": response()} if kind != "error" else {}
    events = [*said()[:3], raw(kind, **more)]
    for exchange in (await replay(player, bare(), events), await replay(player, await chat(), events)):
        assert [event["type"] for event in exchange.events if event["type"] == "error"] == ["error"]


def test_the_corpus_has_every_event_of_the_sdk() -> None:
    played = {event.type for events in SCENES.values() for event in events} | {*BESIDE, *ENDS}
    assert played | {"response.created", "response.completed", CITATION, REFUSAL, *THOUGHTS} == KINDS.keys()
