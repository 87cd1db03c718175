"""The reports of `validate` for CI servers: GitHub workflow commands, JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from runtime import __version__
from runtime.cli import PROGRAM
from runtime.cli.display import plain
from runtime.cli.report.frames import draw_frame
from runtime.cli.report.project_report import ProjectReport, all_diagnostics, is_fatal, verdict
from runtime.diagnostics.codes import read_codes
from runtime.diagnostics.diagnostic import Diagnostic

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROOT = "%SRCROOT%"
_FINGERPRINT = "chatkitRuntime/v1"


# GitHub


def draw_commands(reports: Sequence[ProjectReport], *, strict: bool, building: bool = False) -> str:
    """Return a workflow command for each diagnostic, and the verdict of each project as plain text."""
    lines: list[str] = []
    for report in reports:
        lines += map(_command, report.diagnostics)
        # A file name may look like a command too.
        lines.append(verdict(report, strict=strict, building=building).replace("::", ": :").replace("##[", "# #["))
    return "".join(f"{line}\n" for line in lines)


def _command(diagnostic: Diagnostic) -> str:
    place = diagnostic.place
    properties = {"file": _posix(place.file)}
    if place.line:
        properties |= {"line": str(place.line), "endLine": str(place.line)}
    if place.line and place.column:
        properties |= {"col": str(place.column), "endColumn": str(place.column + diagnostic.length)}
    properties["title"] = diagnostic.code
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    where = f" [{diagnostic.path}]" if diagnostic.path else ""
    hint = f"\nhint: {diagnostic.hint}" if diagnostic.hint else ""
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_data(f'{diagnostic.message}{where}{hint}')}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# JUnit


def draw_junit(reports: Sequence[ProjectReport], *, strict: bool) -> str:
    """Return a test suite for each project with a case for each diagnostic; those that fail the run are failures."""
    root = ElementTree.Element("testsuites", name=PROGRAM)
    suites = [_suite(report, strict=strict) for report in reports]
    root.extend(suites)
    for name in ("tests", "failures"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(report: ProjectReport, *, strict: bool) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=_clean(_posix(report.file)))
    cases = [_case(report, diagnostic, strict=strict) for diagnostic in report.diagnostics]
    if not report.fails(strict=strict):
        # Without any case the suite looks as if the check did not run.
        passed = ElementTree.Element("testcase", classname=_clean(_posix(report.file)), name="validate")
        ElementTree.SubElement(passed, "system-out").text = _clean(verdict(report, strict=strict))
        cases.insert(0, passed)
    suite.extend(cases)
    failures = sum(case.find("failure") is not None for case in cases)
    suite.attrib |= {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    return suite


def _case(report: ProjectReport, diagnostic: Diagnostic, *, strict: bool) -> ElementTree.Element:
    place = diagnostic.place
    # Without the line: servers compare the runs by the names of the cases.
    name = f"{diagnostic.code} {diagnostic.path or _posix(place.file)}: {diagnostic.message}"
    case = ElementTree.Element(
        "testcase", classname=_clean(_posix(report.file)), name=_clean(name), file=_clean(_posix(place.file))
    )
    if place.line:
        case.set("line", str(place.line))
    frame = _clean(draw_frame(diagnostic, report.sources.get(place.file)))
    if is_fatal(diagnostic, strict=strict):
        kind, message = _clean(diagnostic.code), _clean(diagnostic.message)
        ElementTree.SubElement(case, "failure", type=kind, message=message).text = frame
    else:
        ElementTree.SubElement(case, "system-out").text = frame
    return case


def _posix(file: str) -> str:
    return PurePath(file).as_posix()


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("", text)


# SARIF


def as_sarif(reports: Sequence[ProjectReport]) -> dict[str, Any]:
    """Return a SARIF log with one run; paths below the working folder are relative to it."""
    diagnostics = all_diagnostics(reports)
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    rules = [_rule(code) for code in codes]
    run = {
        "tool": {"driver": {"name": PROGRAM, "version": __version__, "semanticVersion": __version__, "rules": rules}},
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
        hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
        fingerprint = _fingerprint(diagnostic)
        seen[fingerprint] += 1
        yield {
            "ruleId": diagnostic.code,
            "ruleIndex": codes.index(diagnostic.code),
            "level": diagnostic.severity,
            "message": {"text": plain(f"{diagnostic.message}{hint}")},
            "locations": [{"physicalLocation": _location(diagnostic)}],
            "partialFingerprints": {_FINGERPRINT: f"{fingerprint}:{seen[fingerprint]}"},
        }


def _fingerprint(diagnostic: Diagnostic) -> str:
    """Return a hash that does not change when lines move: of the code, the file, the key path and the message."""
    parts = (diagnostic.code, _posix(diagnostic.place.file), diagnostic.path, diagnostic.message)
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
