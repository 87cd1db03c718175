"""Other ways to write a value, such as `5 minutes` or `tools/weather.py:forecast`, and the one of this language."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator

from runtime.config.references import IMPORT_PATH

_NUMBER = r"(?P<number>[0-9][0-9_,]*(?:\.[0-9]+)?)"
_UNIT_WORDS = {
    "ms": ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "B": ("b", "byte", "bytes"),
    "KB": ("k", "kb"),
    "MB": ("m", "mb"),
    "GB": ("g", "gb"),
    "KiB": ("ki", "kib"),
    "MiB": ("mi", "mib"),
    "GiB": ("gi", "gib"),
}
_MEASURE = re.compile(rf"\s*{_NUMBER}\s*(?P<unit>[A-Za-z]+)\s*")
_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}
_BUDGET = re.compile(rf"\s*{_NUMBER}\s*(?P<times>[km]?)(?: *tokens)?\s*(?:/|per)\s*(?P<of>[a-z]+)\s*", re.IGNORECASE)
_BUDGETS = {"turn": ("turn", "answer", "message", "request"), "thread": ("thread", "session"), "day": ("d", "daily")}
_MEDIA = ("image", "audio", "video", "text")
_CALL = re.compile(r"\(.*\)\s*$")
_IMPORTED = re.compile(r"\s*from\s+(?P<module>[\w.]+)\s+import\s+(?P<name>\w+)\s*")
_FILE = re.compile(r"(?:\./)?(?P<module>[\w/.-]+?)(?:\.py)?\s*(?:::?|#)\s*(?P<name>\w+(?:\.\w+)*)")
_DOTTED = re.compile(r"(?P<module>\w+(?:\.\w+)*)\.(?P<name>\w+)")
_HOST_AND_PATH = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z]{2,}(:[0-9]+)?(/\S*)?", re.ASCII)
_DATABASE = re.compile(r"(?:(?:sqlite3?(?:\+\w+)?|file):(?://)?/?)?(?P<file>[\w./ -]+\.(?:db|sqlite3?))")


def is_plain_file(text: str) -> bool:
    """Return whether a store's address is a file of SQLite or memory, written otherwise: it holds no secret."""
    return normal_form(text, r"(memory|sqlite:///[\w./ -]+)") != ""


def normal_form(value: str, pattern: str) -> str:
    """Return how a value of another form is written so that it matches a pattern; empty if it is none."""
    forms = (form for form in _forms(value) if form != value and re.fullmatch(pattern, form, re.ASCII))
    return next(forms, "")


def import_path(text: str) -> str:
    """Return the import path `package.module:name` that a text such as `package/module.py:name` means; or ''."""
    called = _CALL.sub("", text.strip()).replace("\\", "/")
    for form in (_IMPORTED, _FILE, _DOTTED):
        if match := form.fullmatch(called):
            if match["name"] == "py":
                return ""  # a file, without a name in it
            path = f"{match['module'].strip('./').replace('/', '.')}:{match['name']}"
            return path if IMPORT_PATH.match(path) else ""
    return ""


def _media_type(text: str) -> str:
    """Return the media type of a file's extension, `.png` or `pdf`; empty if there is none."""
    extension = text.removeprefix("*").removeprefix(".").lower()
    if text in ("*", "*/*", ""):
        return ""
    return mimetypes.types_map.get(f".{extension}", f"{extension}/*" if extension in _MEDIA else "")


def _forms(value: str) -> Iterator[str]:
    stripped = value.strip()
    yield stripped
    if match := _MEASURE.fullmatch(value):
        number = match["number"].replace("_", "").replace(",", "")
        yield from (f"{number}{unit}" for unit, words in _UNIT_WORDS.items() if match["unit"].lower() in words)
    if match := _BUDGET.fullmatch(value):
        number = float(match["number"].replace("_", "").replace(",", "")) * _THOUSANDS[match["times"].lower()]
        of = match["of"].lower()
        yield from (f"{number:.0f}/{unit}" for unit, words in _BUDGETS.items() if of in (unit, *words))
    if media_type := _media_type(stripped):
        yield media_type
    if stripped in ("in-memory", "in_memory", ":memory:", "sqlite://", "sqlite:///:memory:"):
        yield "memory"
    if match := _DATABASE.fullmatch(stripped):
        yield f"sqlite:///{match['file'].removeprefix('./')}"
    yield import_path(value)
    yield stripped.upper()
    if _HOST_AND_PATH.fullmatch(stripped):
        yield f"https://{stripped}"
    yield f"/{stripped.strip('/')}"
    yield f"http://{stripped}"
    yield re.sub(r"[^A-Za-z0-9_-]+", "_", stripped).strip("_")
