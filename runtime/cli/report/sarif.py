"""The report of `validate` in SARIF 2.1.0, the input format of code scanning services."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from runtime import __version__
from runtime.cli import PROGRAM
from runtime.cli.display import plain
from runtime.cli.report.project_report import ProjectReport
from runtime.diagnostics.codes import read_codes
from runtime.diagnostics.diagnostic import Diagnostic

_ROOT = "%SRCROOT%"
_FINGERPRINT = "chatkitRuntime/v1"


def as_sarif(reports: Sequence[ProjectReport]) -> dict[str, Any]:
    """Return a SARIF log with one run; paths below the working folder are relative to it."""
    diagnostics = [diagnostic for report in reports for diagnostic in report.diagnostics]
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    rules = [_rule(code) for code in codes]
    run = {
        "tool": {
            "driver": {"name": PROGRAM, "version": __version__, "semanticVersion": __version__, "rules": rules},
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the folder in which validate ran"}}},
        "results": list(_results(diagnostics, codes)),
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    entry = read_codes()[code]
    sentence = f"{entry.summary[:1].upper()}{entry.summary[1:]}."
    return {
        "id": code,
        "shortDescription": {"text": sentence},
        "fullDescription": {"text": sentence},
        "help": {"text": entry.explanation, "markdown": entry.explanation},
    }


def _results(diagnostics: Sequence[Diagnostic], codes: Sequence[str]) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for diagnostic in diagnostics:
        fingerprint = _fingerprint(diagnostic)
        seen[fingerprint] += 1
        yield {
            "ruleId": diagnostic.code,
            "ruleIndex": codes.index(diagnostic.code),
            "level": diagnostic.severity,
            "message": {"text": _message(diagnostic)},
            "locations": [{"physicalLocation": _location(diagnostic)}],
            "partialFingerprints": {_FINGERPRINT: f"{fingerprint}:{seen[fingerprint]}"},
        }


def _message(diagnostic: Diagnostic) -> str:
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return plain(f"{diagnostic.message}{hint}")


def _fingerprint(diagnostic: Diagnostic) -> str:
    """Return a hash that does not change when lines move: of the code, the file, the key path and the message."""
    parts = (diagnostic.code, PurePath(diagnostic.place.file).as_posix(), diagnostic.path, diagnostic.message)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]


def _location(diagnostic: Diagnostic) -> dict[str, Any]:
    place = diagnostic.place
    location: dict[str, Any] = {"artifactLocation": _artifact(place.file)}
    if place.line:
        location["region"] = {"startLine": place.line}
        if place.column:
            location["region"] |= {"startColumn": place.column, "endColumn": place.column + diagnostic.length}
    return location


def _artifact(file: str) -> dict[str, str]:
    path = PurePath(file)
    if path.is_absolute() or ".." in path.parts:
        return {"uri": Path(file).absolute().resolve().as_uri()}
    return {"uri": quote(path.as_posix(), errors="surrogateescape"), "uriBaseId": _ROOT}
