"""A tool with a thread in the background."""

import functools
import threading

LATEST: dict[str, str] = {}


def _watch() -> None:
    LATEST["Saturday"] = "clear"


@functools.cache
def _start() -> None:
    threading.Thread(target=_watch, daemon=True).start()


def forecast(day: str) -> str:
    """Tell the weather of a day."""
    _start()
    return LATEST.get(day, "unknown")
