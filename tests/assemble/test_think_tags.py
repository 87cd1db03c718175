"""Thoughts between tags: over every split of a stream, and never out of the middle of an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import responses as api

from runtime.assemble.think_tags import TEXT_TAKEN_BACK, THOUGHT_TAKEN_BACK, MessageStream, visible_text

PAIRS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<Think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<Thought>", "</THOUGHT>"),
    ("<reason>", "</reason>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
]
THOUGHT, ANSWER = "1 < 2, </thin[/", "It is <b>two</b>."
PLAIN = [
    "Write <think> and </think> around it.",
    "```\n<think>\nHm.\n</think>\n```\nLike this.",
    "End it so:\n\n```\nHm.\n</think>\n```\n",
    "~~~\nHm.\n[/THINK]\n~~~\n",
    "`<thought>` is a tag.",
    "- <reasoning>a</reasoning>",
    "<thinker>a</thinker>",
    "<thoughts>a</thoughts>",
    "<think about it",
    "<",
    "[Think] about it.",
    "[think",
    "[THINKER]\n[/THINK]",
    "A line:\n</thought>\nand more.",
    "It ends with </think>",
    "Not a line: </think>\nmore.",
    "İ<think>x</think>",
]


class Streamed:
    """What a client has after a message was streamed in these pieces: `text` is the answer, `thoughts` a list."""

    def __init__(self, pieces: list[str], is_opened: bool | None = False, *, before_call: bool = False) -> None:
        self.text, self.thoughts, self.messages, self.learned = "", [""], 0, None
        message = MessageStream(is_opened)
        place: dict[str, Any] = {"item_id": "m", "output_index": 0, "sequence_number": 0}
        item = api.ResponseOutputMessage(id="m", content=[], role="assistant", status="in_progress", type="message")
        at = {"output_index": 0, "sequence_number": 0}
        added = api.ResponseOutputItemAddedEvent(type="response.output_item.added", item=item, **at)
        self._hear(message.open(added))
        for piece in pieces:
            delta = api.ResponseTextDeltaEvent(
                type="response.output_text.delta", content_index=0, logprobs=[], delta=piece, **place
            )
            self._hear([delta] if message.is_plain else message.add(delta))
        whole = "".join(pieces)
        done = api.ResponseTextDoneEvent(
            type="response.output_text.done", content_index=0, logprobs=[], text=whole, **place
        )
        for _ in range(2):
            self._hear(message.end(done, whole, may_drop=before_call, before_call=before_call))
        self.learned = message.learned
        opened = bool(is_opened) and self.learned is not False
        self.stored = visible_text(whole, is_opened=opened, before_call=before_call)

    def _hear(self, events: Any) -> None:
        for event in events:
            match event.type:
                case "response.output_item.added" if event.item.type == "message":
                    self.messages += 1
                case "response.output_text.delta":
                    assert self.messages == 1, "text before its message"
                    self.text += event.delta
                case "response.reasoning_summary_text.delta":
                    self.thoughts[-1] += event.delta
                case "response.reasoning_summary_text.done":
                    assert event.text == self.thoughts[-1].strip()
                    self.thoughts.append("")
                case _ if event.type == TEXT_TAKEN_BACK:
                    self.text, self.messages = "", self.messages - 1
                case _ if event.type == THOUGHT_TAKEN_BACK:
                    self.thoughts[-1] = ""


def _splits(text: str) -> st.SearchStrategy[list[str]]:
    cuts = st.lists(st.integers(0, len(text)), max_size=len(text)).map(sorted)
    return cuts.map(lambda at: [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)])


@pytest.mark.parametrize(("start", "end"), PAIRS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_thoughts_at_the_start_are_told_apart_over_any_split(start: str, end: str, data: st.DataObject) -> None:
    text = f"{data.draw(st.sampled_from(['', ' ', chr(10)]))}{start}{THOUGHT}{end}\n\n{ANSWER}"
    for is_opened in (False, None, True):
        streamed = Streamed(data.draw(_splits(text)), is_opened)
        assert (streamed.text, streamed.stored) == (ANSWER, ANSWER)
        assert streamed.thoughts == [THOUGHT, ""]
        assert streamed.learned is None


@pytest.mark.parametrize("text", PLAIN)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_an_answer_keeps_the_tags_that_are_part_of_it(text: str, data: st.DataObject) -> None:
    for is_opened in (False, None):
        streamed = Streamed(data.draw(_splits(text)), is_opened)
        assert streamed.stored == text
        # What is held to the end comes with the event that ends the text.
        assert streamed.text in (text, "")
        assert streamed.messages == 1


@pytest.mark.parametrize("end", ["</think>", "</THINK>", "[/THINK]", "</seed:think>", "◁/think▷"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_thoughts_whose_tag_a_template_opens_become_thoughts_at_the_tag_that_closes(
    end: str, data: st.DataObject
) -> None:
    thought = "First:\n```\n1 < 2\n```\nSo."
    text = f"{thought}\n{end}\n\n{ANSWER}"
    for is_opened in (False, None):
        streamed = Streamed(data.draw(_splits(text)), is_opened)
        # A model whose answers had no thoughts so far is not watched: its text comes with the event that ends it.
        assert streamed.text in ((ANSWER,) if is_opened is None else ("", ANSWER))
        assert (streamed.stored, streamed.thoughts, streamed.messages) == (ANSWER, [thought, ""], 1)
        assert streamed.learned is True
    known = Streamed(data.draw(_splits(text)), True)
    assert (known.text, known.stored, known.thoughts[0].strip()) == (ANSWER, ANSWER, thought)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_tag_that_closes_nothing_is_left_out(data: st.DataObject) -> None:
    for is_opened in (False, None):
        streamed = Streamed(data.draw(_splits(f"</think>\n\n{ANSWER}")), is_opened)
        assert (streamed.text, streamed.stored, streamed.thoughts) == (ANSWER, ANSWER, [""])


@pytest.mark.parametrize("start", ["<think>", "<reasoning>"])
def test_thoughts_that_do_not_end_are_no_answer(start: str) -> None:
    streamed = Streamed([start, "Hm"])
    assert (streamed.text, streamed.stored, streamed.thoughts[0]) == ("", "", "Hm")


def test_an_answer_without_thoughts_is_learned() -> None:
    assert Streamed(["Yes", " or\nno."], None).learned is False
    without = Streamed(["Yes."], True)
    assert (without.text, without.stored, without.learned) == ("Yes.", "Yes.", False)
    assert without.thoughts == [""]


@pytest.mark.parametrize("end", ["</think>", "\n</THINK>", "\n[/THINK] \n"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_tag_at_the_end_of_a_text_before_a_call_closes_thoughts(end: str, data: st.DataObject) -> None:
    pieces = data.draw(_splits(f"Hm, parks.{end}"))
    for is_opened in (False, None, True):
        streamed = Streamed(pieces, is_opened, before_call=True)
        assert (streamed.text, streamed.stored, streamed.messages) == ("", "", 0)
        assert [thought.strip() for thought in streamed.thoughts] == ["Hm, parks.", ""]


def test_a_line_that_closes_nothing_does_not_make_a_long_answer_slow() -> None:
    lines = ["<think> and </think>: a line\n"] * 20_000
    assert Streamed(["Lines:\n", *lines], None).learned is False
