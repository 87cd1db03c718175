"""Thoughts between tags such as `<think>`, as open models write them into their answers: separated from the answer.

A tag counts at the start of an answer only: anywhere else, such as in a code fence, it is part of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from openai.types import responses as api

from runtime.assemble.scripted_events import new_id

# By the tag that opens the thoughts, in lower case: the one that closes them.
_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reason>": "</reason>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
}
# People write this one, too: text behind it that nothing closes is an answer.
_WORDS = frozenset({"[think]"})
# A chat template may open these tags itself: the answer then starts with thoughts, and has only the tag that closes.
_CLOSED_ALONE = ("</think>", "</seed:think>", "[/think]", "◁/think▷")
_STARTS = (*_TAGS, *_CLOSED_ALONE)
_LONGEST = max(map(len, _STARTS))
_CLOSINGS = {start: re.compile(re.escape(end), re.IGNORECASE) for start, end in _TAGS.items()}
_ANY_START = re.compile("|".join(map(re.escape, _TAGS)), re.IGNORECASE)
_ANY_END = re.compile("|".join(map(re.escape, _CLOSED_ALONE)), re.IGNORECASE)
_END_LINE = re.compile(rf"(?:\A\s*|\n[ \t]*)(?:{_ANY_END.pattern})[ \t\r]*\n", re.IGNORECASE)
_END_OF_TEXT = re.compile(rf"(?:{_ANY_END.pattern})\s*\Z", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_MOST_BLANKS = 16
"""How many blanks around a closing tag are expected while an answer is watched."""


TEXT_TAKEN_BACK = "runtime.text_taken_back"
THOUGHT_TAKEN_BACK = "runtime.thought_taken_back"


@dataclass(frozen=True, slots=True)
class TextTakenBack:
    """An event of our models alone: the text of a message was no answer so far, and the message begins anew."""

    item_id: str
    type: str = TEXT_TAKEN_BACK


@dataclass(frozen=True, slots=True)
class ThoughtTakenBack:
    """An event of our models alone: the thought that is being streamed is the answer, which follows."""

    type: str = THOUGHT_TAKEN_BACK


def unopened_thoughts(text: str, *, before_call: bool = False) -> re.Match[str] | None:
    """Return the line that closes the thoughts of an answer whose tag a chat template has opened, or None.

    With `before_call`, a call of a tool follows the text: a tag at its very end closes thoughts as well.
    """
    lowered = text.lower()
    if not any(end in lowered for end in _CLOSED_ALONE):
        return None
    line = _END_LINE.search(text)
    if line is None and before_call:
        line = _END_OF_TEXT.search(text)
    if line is None or _ANY_START.search(text, 0, line.end()):
        return None
    # A line inside of a fence is an example.
    return None if len(_FENCE.findall(text, 0, line.start())) % 2 else line


def visible_text(text: str, *, is_opened: bool = False, before_call: bool = False) -> str:
    """Return an answer without the thoughts before it; with `is_opened` it begins with them, without a tag.

    `before_call` is as in `unopened_thoughts`.
    """
    bare = text.lstrip()
    start = _start_of(bare)
    if start in _TAGS:
        end = _CLOSINGS[start].search(bare)
        if end is None:
            return text if start in _WORDS else ""
        return bare[end.end() :].lstrip()
    end = _ANY_END.search(text) if is_opened else unopened_thoughts(text, before_call=before_call)
    return text if end is None else text[end.end() :].lstrip()


def _start_of(text: str) -> str:
    """Return the tag at the start of a text, in lower case, or an empty string."""
    head = text[:_LONGEST].lower()
    return next((tag for tag in _STARTS if head.startswith(tag)), "")


def _may_start(text: str) -> bool:
    """Return whether a text may become one that starts with a tag."""
    return len(text) < _LONGEST and any(tag.startswith(text.lower()) for tag in _STARTS)


class MessageStream:
    """The events of a message that is being streamed: its thoughts become events of a reasoning item.

    Until it is certain how the text begins, the events are held. Once `is_plain`, all pieces belong to the answer.
    `is_opened`: a template begins each answer with thoughts, and no tag opens them. Where that is not known (None), the
    message is watched: at a tag that closes thoughts, the text so far is taken back. `learned` is what it has shown.
    """

    def __init__(self, is_opened: bool | None = False) -> None:
        self.is_plain = self.dropped = False
        self.learned: bool | None = None
        self._is_opened = is_opened
        self._phase: Literal["start", "watched", "thinking", "behind"] = "start"
        self._opening: list[Any] = []
        self._held: list[Any] = []
        self._text = ""
        self._end = _ANY_END
        self._thought = ""
        self._thought_id = ""
        self._before: str | None = None
        """The text before the thoughts, which are the answer if no tag closes them; None if they stay thoughts."""

    def open(self, event: Any) -> Iterable[Any]:
        """Begin a message: hold its first event."""
        self.is_plain, self.dropped, self._phase, self._text = False, False, "start", ""
        self._opening, self._held = [event], [event]
        return ()

    def hold(self, event: Any) -> Iterable[Any]:
        """Hold an event of the message's start."""
        if not self._held:
            return (event,)
        self._opening.append(event)
        self._held.append(event)
        return ()

    def add(self, event: Any) -> Iterator[Any]:
        """Yield the events for a piece of text."""
        self._text += event.delta
        if self._phase == "watched":
            yield from self._watch(event)
        elif self._phase == "start":
            yield from self._start(event)
        if self._phase == "thinking":
            yield from self._think(event)
        if self._phase == "behind" and (text := self._text.lstrip()):
            yield from self._begin(event, text)

    def end(self, event: Any, text: str = "", *, may_drop: bool = False, before_call: bool = False) -> Iterator[Any]:
        """Yield what is still held of a message that ends with this whole text.

        With `may_drop`, a message without any visible text is not begun at all, and is `dropped`. `before_call` is as
        in `unopened_thoughts`.
        """
        if self._phase == "thinking" and self._before is not None:
            self._thought += self._text
            yield ThoughtTakenBack()
        elif self._phase == "thinking":
            yield from self._delta(event, self._text)
            yield self._done(event)
        elif self._phase != "behind" and (line := unopened_thoughts(text, before_call=before_call)) is not None:
            yield from self._take_back(event, text[: line.start()])
        elif self._phase == "watched":
            self.learned = False
        self.dropped = self.dropped or (bool(self._held) and may_drop and not self._shows(text, before_call))
        if not self.dropped:
            yield from self._held
        if self._phase == "thinking" and self._before is not None and self._held:
            self.learned = False if self._is_opened else None
            yield self._whole_text(event)
        self._held, self.is_plain, self._phase = [], False, "behind"

    def _shows(self, text: str, before_call: bool) -> bool:
        if self._phase == "thinking" and self._before is not None:
            return True
        return bool(visible_text(text, is_opened=bool(self._is_opened), before_call=before_call).strip())

    def _start(self, event: Any) -> Iterator[Any]:
        text = self._text.lstrip()
        tag = _start_of(text)
        if tag in _CLOSED_ALONE:
            self._phase, self._text = "behind", text[len(tag) :]
        elif tag:
            self._before = self._text[: -len(text)] + text[: len(tag)] if tag in _WORDS else None
            self._end, self._text = _CLOSINGS[tag], text[len(tag) :]
            yield from self._begin_thought(event)
        elif _may_start(text):
            return
        elif self._is_opened:
            self._before, self._end = "", _ANY_END
            yield from self._begin_thought(event)
        elif self._is_opened is None:
            self._phase = "watched"
            yield from self._watch(event.model_copy(update={"delta": self._text}))
        else:
            yield from self._begin(event, self._text)

    def _begin(self, event: Any, text: str) -> Iterator[Any]:
        yield from self._held
        self._held, self.is_plain, self._text = [], True, ""
        yield event.model_copy(update={"delta": text})

    def _watch(self, event: Any) -> Iterator[Any]:
        new = max(len(self._text) - len(event.delta) - _LONGEST - _MOST_BLANKS, 0)
        line = None
        if "\n" in event.delta and _END_LINE.search(self._text, new):
            line = unopened_thoughts(self._text)
        if line is None:
            yield from self._held
            self._held = []
            yield event
            return
        yield from self._take_back(event, self._text[: line.start()])
        self._phase, self._text = "behind", self._text[line.end() :]

    def _take_back(self, event: Any, thoughts: str) -> Iterator[Any]:
        """Let the message begin anew, behind thoughts that were streamed as its text."""
        self.learned = True
        if not self._held:
            yield TextTakenBack(_message_id(event))
            self._held = [*self._opening]
        yield from self._begin_thought(event)
        yield from self._delta(event, thoughts)
        yield self._done(event)

    def _begin_thought(self, event: Any) -> Iterator[Any]:
        self._phase, self._thought, self._thought_id = "thinking", "", new_id("rs")
        yield api.ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=api.ResponseReasoningItem(id=self._thought_id, summary=[], type="reasoning"),
            output_index=event.output_index,
            sequence_number=event.sequence_number,
        )

    def _think(self, event: Any) -> Iterator[Any]:
        end = self._end.search(self._text)
        if end is not None:
            yield from self._delta(event, self._text[: end.start()])
            yield self._done(event)
            self._phase, self._text = "behind", self._text[end.end() :]
            return
        # The last characters may be the beginning of the closing tag.
        kept = _beginning_of(self._end, self._text)
        thought, self._text = self._text[: len(self._text) - kept], self._text[len(self._text) - kept :]
        yield from self._delta(event, thought)

    def _delta(self, event: Any, text: str) -> Iterator[Any]:
        if text:
            self._thought += text
            yield api.ResponseReasoningSummaryTextDeltaEvent(
                type="response.reasoning_summary_text.delta", delta=text, **self._place(event)
            )

    def _done(self, event: Any) -> Any:
        return api.ResponseReasoningSummaryTextDoneEvent(
            type="response.reasoning_summary_text.done", text=self._thought.strip(), **self._place(event)
        )

    def _whole_text(self, event: Any) -> Any:
        return api.ResponseTextDeltaEvent(
            type="response.output_text.delta",
            delta=(self._before or "") + self._thought,
            logprobs=[],
            content_index=0,
            item_id=_message_id(event),
            output_index=event.output_index,
            sequence_number=event.sequence_number,
        )

    def _place(self, event: Any) -> dict[str, Any]:
        return {
            "item_id": self._thought_id,
            "output_index": event.output_index,
            "summary_index": 0,
            "sequence_number": event.sequence_number,
        }


def _message_id(event: Any) -> str:
    return str(getattr(event, "item_id", None) or event.item.id)


def _beginning_of(end: re.Pattern[str], text: str) -> int:
    """Return how many of the last characters may be the beginning of a tag that matches `end`."""
    tags = [tag for tag in _TAGS.values() if end.fullmatch(tag)]
    lengths = range(min(_LONGEST - 1, len(text)), 0, -1)
    return next((n for n in lengths if any(tag.startswith(text[-n:].lower()) for tag in tags)), 0)
