"""A tool with a thread in the background."""

import threading

LATEST: dict[str, str] = {}


def _watch() -> None:
    LATEST["Saturday"] = "clear"


threading.Thread(target=_watch, daemon=True).start()


def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return LATEST.get(day, "unknown")
