"""The events of a turn, kept for those who follow it."""

from __future__ import annotations

import asyncio

from chatkit.types import ProgressUpdateEvent
from hypothesis import given
from hypothesis import strategies as st

from runtime.server.turns.sse import TextDelta, frame
from runtime.server.turns.turn_log import TurnLog, read_chunk, to_chunk

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DELTAS = st.builds(TextDelta, st.sampled_from(["msg_1", "msg_2"]), st.integers(0, 1), TEXTS)
FRAMES = st.builds(lambda text: frame(ProgressUpdateEvent(text=text)), TEXTS)


@given(entries=st.lists(DELTAS | FRAMES), first=st.integers(1, 1000))
def test_a_chunk_holds_the_events_that_were_packed(entries: list[bytes | TextDelta], first: int) -> None:
    chunk = to_chunk(first, entries)
    assert chunk.first == first
    assert list(read_chunk(chunk)) == entries


def test_text_deltas_take_little_more_room_than_their_text() -> None:
    deltas = [TextDelta("msg_" + "0" * 40, 0, "word ")] * 1000
    assert len(to_chunk(1, deltas).events) < 1000 * len("word ") * 2


def test_events_are_numbered_from_one_and_read_from_any_place() -> None:
    log = TurnLog()
    entries = [b"data: %d\n\n" % number for number in range(5)]
    for entry in entries:
        log.add(entry)
    assert log.last == 5
    assert log.after(0) == (1, entries)
    assert log.after(3) == (4, entries[3:])
    assert log.after(5) == (6, [])


def test_a_log_is_bounded_and_keeps_the_newest_events() -> None:
    log = TurnLog(max_bytes=10_000)
    for number in range(2000):
        log.add(TextDelta("msg_1", 0, str(number)) if number % 2 else b"data: %d\n\n" % number)
    first, kept = log.after(0)
    assert log.last == 2000
    assert first + len(kept) == 2001
    assert 50 < len(kept) < 1000
    assert kept[-1] == TextDelta("msg_1", 0, "1999")


async def test_a_reader_waits_for_the_next_event_or_for_the_end() -> None:
    log = TurnLog()
    waiting = asyncio.create_task(log.wait(20.0))
    await asyncio.sleep(0)
    log.add(b"data: 1\n\n")
    await waiting
    waiting = asyncio.create_task(log.wait(20.0))
    await asyncio.sleep(0)
    log.close()
    await waiting
    await log.wait(0.001)
    assert (log.last, log.closed) == (1, True)
