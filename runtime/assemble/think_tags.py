"""Thoughts between `<think>` tags, as open models write them into their answers: told apart from the answer itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from openai.types import responses as api

from runtime.assemble.scripted_events import new_id

_START, _END = "<think>", "</think>"
# A chat template may open the tag itself: the answer then starts behind a line that closes it.
_OPENED_BEFORE = re.compile(r"\A(?:(?!<think>).)*\n</think>\s*\n", re.DOTALL)


def is_opened_before(text: str) -> bool:
    """Return whether a chat template has opened the tag before this answer."""
    return _END in text and _OPENED_BEFORE.match(text) is not None


def visible_text(text: str, *, is_opened: bool = False) -> str:
    """Return an answer without the thoughts before it; with `is_opened` it begins with them, without a tag."""
    if _END not in text:
        return "" if text.lstrip().startswith(_START) else text
    if is_opened:
        return text.partition(_END)[2].lstrip()
    if text.lstrip().startswith(_START):
        return text.partition(_END)[2].lstrip()
    return _OPENED_BEFORE.sub("", text).lstrip() if _OPENED_BEFORE.match(text) else text


class MessageStream:
    """The events of a message that is being streamed: its thoughts become events of a reasoning item.

    Until it is certain how the text begins, the events are held. Once `is_plain`, all pieces belong to the answer.
    Where answers `begin_with_thoughts`, one without the closing tag was all answer; `had_none` is set then.
    """

    def __init__(self, *, begin_with_thoughts: bool = False) -> None:
        self.is_plain = self.had_none = False
        self._begin_with_thoughts, self._is_assumed = begin_with_thoughts, False
        self._phase: Literal["start", "thinking", "behind"] = "start"
        self._held: list[Any] = []
        self._text = ""
        self._thought = ""
        self._thought_id = ""

    def open(self, event: Any) -> Iterable[Any]:
        """Begin a message: hold its first event."""
        self.is_plain, self._phase, self._text, self._thought = False, "start", "", ""
        self._held = [event]
        return ()

    def hold(self, event: Any) -> Iterable[Any]:
        """Hold an event of the message's start."""
        if not self._held:
            return (event,)
        self._held.append(event)
        return ()

    def add(self, event: Any) -> Iterator[Any]:
        """Yield the events for a piece of text."""
        self._text += event.delta
        if self._phase == "start":
            text = self._text.lstrip()
            is_tagged = text.startswith(_START)
            if is_tagged or (self._begin_with_thoughts and text and not _START.startswith(text)):
                self._phase, self._thought_id, self._is_assumed = "thinking", new_id("rs"), not is_tagged
                self._text = text[len(_START) :] if is_tagged else text
                item = api.ResponseReasoningItem(id=self._thought_id, summary=[], type="reasoning")
                yield api.ResponseOutputItemAddedEvent(
                    type="response.output_item.added",
                    item=item,
                    output_index=event.output_index,
                    sequence_number=event.sequence_number,
                )
            elif _START.startswith(text):
                return
            else:
                yield from self._begin(event, self._text)
        if self._phase == "thinking":
            yield from self._think(event)
        if self._phase == "behind" and (text := self._text.lstrip()):
            yield from self._begin(event, text)

    def end(self, event: Any) -> Iterator[Any]:
        """Yield what is still held of a message that ends."""
        if self._phase == "thinking" and not self.is_plain:
            yield from self._delta(event, self._text)
            yield self._done(event)
        yield from self._held
        if self._phase == "thinking" and self._is_assumed and self._held:
            self.had_none = True
            yield self._whole_text(event)
        self._held, self.is_plain, self._phase = [], False, "behind"

    def _begin(self, event: Any, text: str) -> Iterator[Any]:
        yield from self._held
        self._held, self.is_plain, self._text = [], True, ""
        yield event.model_copy(update={"delta": text})

    def _think(self, event: Any) -> Iterator[Any]:
        thought, ended, rest = self._text.partition(_END)
        if ended:
            yield from self._delta(event, thought)
            yield self._done(event)
            self._phase, self._text = "behind", rest
            return
        # The last characters may be the beginning of the closing tag.
        kept = next((n for n in range(len(_END) - 1, 0, -1) if thought.endswith(_END[:n])), 0)
        self._text = thought[len(thought) - kept :]
        yield from self._delta(event, thought[: len(thought) - kept])

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
        item_id = getattr(event, "item_id", None) or event.item.id
        return api.ResponseTextDeltaEvent(
            type="response.output_text.delta",
            delta=self._thought,
            logprobs=[],
            content_index=0,
            item_id=item_id,
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
