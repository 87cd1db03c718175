from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

import pytest

from runtime.resources.threads import in_file_thread
from runtime.server.attachments.pdf_text import PdfLimits, PdfText, PdfTexts, read_pdf
from tests.server.attachments.pictures import (
    bomb_pdf,
    deep_pdf,
    looping_pdf,
    nested_pdf,
    object_stream_pdf,
    pdf,
    slow_pdf,
    text_page,
)

SOON = PdfLimits(cpu_s=1)


async def test_the_text_of_all_pages_is_read() -> None:
    text = await read_pdf(pdf(text_page("Nine euros."), text_page("Paid.")), PdfLimits())
    assert text == PdfText("Nine euros.\n\nPaid.", pages=2)


async def test_reading_ends_once_there_is_enough_text() -> None:
    text = await read_pdf(pdf(*[text_page("word " * 100)] * 30), PdfLimits(characters=1000))
    assert len(text.text) > 1000
    assert len(text.text) < 1500
    assert (text.pages, text.missing, text.stopped) == (30, 0, "")


async def test_a_file_that_takes_too_much_time_keeps_the_pages_before() -> None:
    text = await read_pdf(slow_pdf(), SOON)
    assert text == PdfText("Page one.", pages=2, missing=1, stopped="it took more than 1 s of CPU time")


async def test_a_file_that_takes_too_much_memory_keeps_the_pages_before() -> None:
    text = await read_pdf(slow_pdf(), PdfLimits(cpu_s=60, memory=64 * 1024 * 1024))
    assert text == PdfText("Page one.", pages=2, missing=1, stopped="it took more than 64 MiB of memory")


@pytest.mark.parametrize("make", [bomb_pdf, deep_pdf, looping_pdf, nested_pdf, object_stream_pdf, slow_pdf])
async def test_a_hostile_file_ends_within_the_limits_and_raises_nothing(make: Callable[[], bytes]) -> None:
    content = make()
    assert len(content) < 400_000
    text = await read_pdf(content, SOON)
    assert text.missing == text.pages - (1 if make is slow_pdf else 0) or text.text.strip("\n") == ""


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 broken", b"%PDF-1.7\n" + os.urandom(10_000), pdf(b"BT")[:-200]])
async def test_a_broken_file_has_no_text(content: bytes) -> None:
    text = await read_pdf(content, SOON)
    assert text.text == ""


async def test_a_page_that_is_broken_costs_no_other_page() -> None:
    content = pdf(text_page("One."), text_page("Two."), text_page("Three."))
    text = await read_pdf(content.replace(b"/FlateDecode", b"/NoSuchCodec", 1), PdfLimits())
    assert text == PdfText("Two.\n\nThree.", pages=3, missing=1)


async def test_the_process_ends_when_nobody_waits_for_it() -> None:
    before = _children()
    reading = asyncio.create_task(read_pdf(slow_pdf(), PdfLimits(cpu_s=600, wall_s=600)))
    await _until(lambda: _children() - before)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await _until(lambda: not _children() - before)


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(180):
        while not is_so():
            await in_file_thread(os.sched_yield)


def _children() -> set[int]:
    """The processes that this one has started and not yet seen the end of."""
    made: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        # A thread may have ended meanwhile.
        with suppress(OSError), open(f"/proc/self/task/{task}/children", encoding="ascii") as children:
            made |= set(map(int, children.read().split()))
    return made


async def test_a_file_is_read_once_however_many_turns_need_it() -> None:
    texts = PdfTexts(SOON, most=2)
    first = await texts.get("a", pdf(text_page("One.")))
    assert await texts.get("a", b"never looked at") is first
    for other in ("b", "c"):
        await texts.get(other, b"")
    assert (await texts.get("a", b"")).text == ""


async def test_a_file_that_is_too_expensive_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    texts = PdfTexts(SOON)
    for _ in range(2):
        await texts.get("atc_1", slow_pdf())
    assert caplog.messages == ["1 of 2 pages of the PDF atc_1 are not read: it took more than 1 s of CPU time"]
