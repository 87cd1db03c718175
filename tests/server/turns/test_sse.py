"""The bytes of a stream: the same as the stock server's, and none lost between a turn and its response."""

from __future__ import annotations

import asyncio

import pytest
from chatkit.types import ProgressUpdateEvent
from hypothesis import given
from hypothesis import strategies as st

from runtime.server.turns.sse import PING, StreamBuffer, TextDelta, frame
from runtime.server.turns.turn_log import TurnLog
from runtime.testing import parse_events
from tests.conversations.bare import BareServer

# Lone surrogates have no UTF-8, here or there.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SERIALIZE = BareServer._serialize


def _stock(event: object) -> bytes:
    server = BareServer.__new__(BareServer)
    return b"data: " + SERIALIZE(server, event) + b"\n\n"  # type: ignore[arg-type]  # any event


@pytest.mark.parametrize(
    "text",
    ["", "plain", "quote \" and ' and \\", "line\nfeed\r\n\ttab", "\u2028\u2029", "é 🙂 \x00 \x1f \x7f", "</script>"],
)
def test_a_text_delta_is_byte_for_byte_what_the_stock_server_sends(text: str) -> None:
    delta = TextDelta("msg_1", 0, text)
    assert frame(delta) == _stock(delta.event())
    assert parse_events(frame(delta))[0]["update"]["delta"] == text


@given(item=TEXTS, index=st.integers(0, 10**6), text=TEXTS)
def test_any_text_delta_is_byte_for_byte_what_the_stock_server_sends(item: str, index: int, text: str) -> None:
    delta = TextDelta(item, index, text)
    assert frame(delta) == _stock(delta.event())
    assert frame(delta).count(b"\n") == 2


def test_other_events_are_the_stock_servers_bytes_too() -> None:
    event = ProgressUpdateEvent(text='work "now"\n', icon=None)
    assert frame(event) == _stock(event)


async def test_the_channel_gives_all_there_is_at_once_and_ends() -> None:
    channel = StreamBuffer(TurnLog())
    channel.put(b"a")
    channel.put(b"b")
    assert await channel.take(10) == b"ab"
    waiting = asyncio.create_task(channel.take(10))
    await asyncio.sleep(0)
    channel.put(b"c")
    assert await waiting == b"c"
    channel.put(b"d")
    channel.close()
    assert await channel.take(10) == b"d"
    assert await channel.take(10) is None
    assert await channel.take(10) is None


async def test_the_channel_pings_when_nothing_comes() -> None:
    channel = StreamBuffer(TurnLog())
    assert await channel.take(0.001) == PING
    assert parse_events(PING) == []
    channel.put(b"a")
    assert await channel.take(0.001) == b"a"


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    channel = StreamBuffer(TurnLog())
    waiting = asyncio.create_task(channel.take(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    channel.put(b"a")
    assert await channel.take(10) == b"a"
