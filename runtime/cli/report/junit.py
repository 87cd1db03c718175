"""The report of `validate` as JUnit XML, which most CI servers show with the test results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from xml.etree import ElementTree

from runtime.cli import PROGRAM
from runtime.cli.report.frames import draw_frame
from runtime.cli.report.project_report import ProjectReport, is_fatal, verdict
from runtime.diagnostics.diagnostic import Diagnostic

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
        cases.insert(0, _verdict(report, strict=strict))
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", "0")
    return suite


def _verdict(report: ProjectReport, *, strict: bool) -> ElementTree.Element:
    """Return a passed case: without any case the suite looks as if the check did not run."""
    case = ElementTree.Element("testcase", classname=_clean(_posix(report.file)), name="validate")
    ElementTree.SubElement(case, "system-out").text = _clean(verdict(report, strict=strict))
    return case


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
