"""Finds likely secrets in plain text in the files of a project, where the next commit would publish them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from runtime.config.check_auth import HASHED_TOKEN
from runtime.config.secrets.detect import (
    SecretMatch,
    SourceSpan,
    WrittenSecret,
    find_secret_patterns,
    is_secret_key,
    span_of,
    written_secrets,
)
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.diagnostics.key_path import value_at
from runtime.documents.json_text import line_and_column
from runtime.validation.checked_project import CheckedProject

_CODE = "A503"
_SHORTEST = 8
_HEADERS = frozenset({"headers", "extra_headers"})
_DATA = frozenset({"with", "extra_body", "extra_args", "extra_query"})
_WORD = re.compile(r"[A-Za-z]+([-_ ][A-Za-z]+)*")
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_LOCAL = re.compile(
    r"localhost|127\.[\d.]+|::1|0\.0\.0\.0|10\.[\d.]+|192\.168\..*|host\.docker\.internal|.*\.local(host)?"
)
_REMOVE = "remove it, also from the history of the repository, and revoke it"


def check_secrets(project: CheckedProject) -> None:
    """Report secrets in agents.yaml, and keys of a known format in every other file that was read (A503)."""
    filled = project.collector.filled
    reported: dict[SourceSpan, None] = {}
    for written in written_secrets(filled):
        span = span_of(filled, written.path)
        if span is not None and span not in reported and _is_plain(project, written, span.text):
            reported[span] = None
            message, name = _message(written), _variable_name(written)
            hint = f"write ${{{name}}} and put {name}=… into .env"
            project.collector.report(_CODE, written.path, message, hint, severity="warning")
    for file, text in sorted(project.files.texts.items()):
        for match in find_secret_patterns(text):
            if not any(span.file == file and span.start <= match.start < span.end for span in reported):
                project.collector.diagnostics.append(_in_file(file, text, match))


def _in_file(file: str, text: str, match: SecretMatch) -> Diagnostic:
    place = Place(file, *line_and_column(text, match.start))
    width = 1 if "\n" in text[match.start : match.end] else match.end - match.start
    return Diagnostic(_CODE, f"{match.noun} is in plain text", place, "warning", _REMOVE, length=width)


def _is_plain(project: CheckedProject, written: WrittenSecret, raw: str) -> bool:
    filled = project.collector.filled
    if written.path in filled.strings:
        # A text that is not in the file comes from a variable.
        return written.kind in ("pattern", "address") and written.text in raw
    match written.kind:
        case "field":
            return (
                bool(written.text) and not HASHED_TOKEN.fullmatch(written.text) and _identifies_user(project, written)
            )
        case "key":
            is_long_word = len(written.text) >= _SHORTEST and not re.search(r"\s", written.text)
            return bool(_DATA.intersection(written.path)) and is_long_word and not _IMPORT.fullmatch(written.text)
        case "address":
            return not _is_for_development(filled.source.data, written)
        case "pattern":
            return True


def _identifies_user(project: CheckedProject, written: WrittenSecret) -> bool:
    """Return whether the value of a field is a real secret, rather than a placeholder for a local endpoint."""
    path = written.path
    if _HEADERS.intersection(path[:-1]):
        return is_secret_key(str(path[-1])) or str(path[-1]).lower() == "cookie"
    base_url = getattr(project.config.models.get(str(path[1])), "base_url", None) if len(path) > 2 else None
    host = _host(base_url) if base_url else ""
    return not (host and _LOCAL.fullmatch(host) and _WORD.fullmatch(written.text))


def _is_for_development(data: object, written: WrittenSecret) -> bool:
    """Return whether an address is a local database whose password equals its user."""
    value = str(value_at(data, written.path))
    user = re.search(r"://([^:@/]*):", value)
    return user is not None and user[1] == written.text and bool(_LOCAL.fullmatch(_host(value)))


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _message(written: WrittenSecret) -> str:
    if written.noun:
        return f"{written.noun} is in plain text"
    name = next((step for step in reversed(written.path) if isinstance(step, str)), "")
    return f"the secret of {name!r} is in plain text"


def _variable_name(written: WrittenSecret) -> str:
    """Return a variable name for a value: `models.local.api_key` becomes LOCAL_API_KEY."""
    words = [step for step in written.path if isinstance(step, str) and step not in ("settings", *_HEADERS, *_DATA)]
    if written.kind == "address":
        words = [*(word for word in words if word not in ("url", "base_url")), "password"]
    name = "_".join(words[-2:] or ["NAME"])
    return re.sub(r"\W+", "_", name).strip("_").upper() or "NAME"
