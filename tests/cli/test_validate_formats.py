"""What `validate` prints for programs: each format held against its own rules, and all of them against each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from runtime.cli.commands.validate import Depth, check_path
from runtime.cli.report.formats import as_sarif, draw_commands, draw_junit
from runtime.cli.report.frames import SHOWN_AT_MOST, draw_report
from runtime.cli.report.project_report import ProjectReport, as_json, verdict
from runtime.diagnostics.diagnostic import Diagnostic, Place

BAD = Path(__file__).parents[1] / "configs" / "bad"
SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text(encoding="utf-8"))
COMMAND = re.compile(r"::(?P<name>\w+) (?P<properties>[^:]*)::(?P<data>.*)")


def report(*found: Diagnostic, file: str = "bot/agents.yaml", source: str = "a: b\n") -> ProjectReport:
    sizes = {} if any(each.severity == "error" for each in found) else {"agent": 2, "tool": 0, "widget": 1}
    sources = {each.place.file: source for each in found}
    return ProjectReport(file=file, diagnostics=found, sources=sources, sizes=sizes, is_built=False, files=frozenset())


def mistake(message: str = "it is wrong", line: int = 1, column: int = 1, **fields: Any) -> Diagnostic:
    file = fields.pop("file", "bot/agents.yaml")
    return Diagnostic(fields.pop("code", "A203"), message, Place(file, line, column), **fields)


WARNING = mistake("it is odd", severity="warning", code="A222")
NOTE = mistake("it can't be known", severity="note", code="A339")


@pytest.fixture(scope="module")
def bad_reports() -> list[ProjectReport]:
    return [check_path(path, Depth()) for path in sorted(BAD.glob("*.yaml"))]


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What GitHub's runner makes of it: it looks for commands at the beginning of a line."""
    found = []
    for line in text.splitlines():
        if match := COMMAND.fullmatch(line.strip()):
            pairs = (pair.split("=", 1) for pair in match["properties"].split(","))
            found.append((match["name"], {name: unescape(value) for name, value in pairs}, unescape(match["data"])))
        else:
            assert not line.strip().startswith("::")
    return found


def unescape(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def results(reports: list[ProjectReport]) -> list[dict[str, Any]]:
    log = as_sarif(reports)
    errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(log)]
    assert errors == []
    return list(log["runs"][0]["results"])


def cases(reports: list[ProjectReport], *, strict: bool = False) -> list[ElementTree.Element]:
    # Nobody but this test has written it.
    root = ElementTree.fromstring(draw_junit(reports, strict=strict).split("\n", 1)[1])
    for suite in root:
        assert suite.get("tests") == str(len(suite))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert root.get("failures") == str(len(root.findall("testsuite/testcase/failure")))
    return list(root.iter("testcase"))


# --- the formats say the same


def test_every_format_has_every_mistake_of_the_bad_configs(bad_reports: list[ProjectReport]) -> None:
    found = [diagnostic for each in bad_reports for diagnostic in each.diagnostics]
    assert len(found) > 100
    severities = Counter(diagnostic.severity for diagnostic in found)

    document = as_json(bad_reports, strict=False)
    assert [entry["message"] for entry in document["diagnostics"]] == [diagnostic.message for diagnostic in found]
    assert document["errors"] == severities["error"]
    assert [result["ruleId"] for result in results(bad_reports)] == [diagnostic.code for diagnostic in found]
    commands = Counter(name for name, _, _ in annotations(draw_commands(bad_reports, strict=False)))
    assert commands == Counter({"error": severities["error"], "warning": severities["warning"]} | _notices(severities))
    assert sum(case.find("failure") is not None for case in cases(bad_reports)) == severities["error"]
    assert sum(case.get("name") != "validate" for case in cases(bad_reports)) == len(found)


def _notices(severities: Counter[str]) -> dict[str, int]:
    return {"notice": severities["note"]} if severities["note"] else {}


def test_the_same_project_gives_the_same_bytes(bad_reports: list[ProjectReport]) -> None:
    again = [check_path(path, Depth()) for path in sorted(BAD.glob("*.yaml"))]
    for draw in (
        lambda reports: json.dumps(as_json(reports, strict=False)),
        lambda reports: json.dumps(as_sarif(reports)),
        lambda reports: draw_junit(reports, strict=False),
        lambda reports: draw_commands(reports, strict=False),
    ):
        assert draw(again) == draw(bad_reports)


@pytest.mark.parametrize("output", ["json", "sarif"])
def test_a_document_stands_alone_on_standard_output(cli: Callable[..., Any], project: Path, output: str) -> None:
    (project / "agents.yaml").write_text("version: 1\nagents: {helper: {modle: x}}\n")
    ran = cli("validate", "small", "--format", output)
    assert (ran.code, ran.err) == (1, "")
    assert json.loads(ran.out)["version"]


def test_an_unknown_format_is_wrong_usage(cli: Callable[..., Any], project: Path) -> None:
    assert cli("validate", "small", "--format", "toml").code == 2


# --- text


def test_a_verdict_follows_the_frames_of_each_project() -> None:
    def said(each: ProjectReport, *, strict: bool = False) -> str:
        return verdict(each, strict=strict)

    assert said(report()) == "bot/agents.yaml: ok (2 agents, 1 widget)"
    assert said(report(WARNING, NOTE)) == "bot/agents.yaml: ok (2 agents, 1 widget), 1 warning, 1 note"
    assert said(report(WARNING), strict=True) == "bot/agents.yaml: 1 warning, warnings fail because of --strict"
    assert said(report(mistake(), WARNING)) == "bot/agents.yaml: 1 error, 1 warning"
    assert said(report(NOTE), strict=True) == "bot/agents.yaml: ok (2 agents, 1 widget), 1 note"
    assert verdict(report(mistake()), strict=False, building=True).endswith("1 error, not built because of the errors")
    text = draw_report(report(mistake()), strict=False, building=False, colour=False)
    assert text.endswith("\n\nbot/agents.yaml: 1 error\n")


def test_the_worst_are_shown_and_the_others_counted() -> None:
    warnings = [mistake(f"odd {number}", line=number + 1, severity="warning") for number in range(SHOWN_AT_MOST + 36)]
    text = draw_report(report(*warnings, mistake("the error", line=999)), strict=False, building=False, colour=False)
    assert "the error" in text
    assert text.count(": warning A203") == SHOWN_AT_MOST - 1
    assert "\n… and 37 more (--format json has them all)\nbot/agents.yaml: 1 error, 136 warnings\n" in text


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\033[" in draw_report(report(mistake()), strict=False, building=False, colour=True)
    assert "\033[" not in draw_report(report(mistake()), strict=False, building=False, colour=False)


# --- github


def test_a_mistake_becomes_an_annotation_of_its_line() -> None:
    found = mistake("no agent 'x'", line=4, column=7, length=3, hint="did you mean 'y'?", path="agents.x")
    [(name, properties, message)] = annotations(draw_commands([report(found)], strict=False))
    assert name == "error"
    assert properties == {
        "file": "bot/agents.yaml",
        "line": "4",
        "endLine": "4",
        "col": "7",
        "endColumn": "10",
        "title": "A203",
    }
    assert message == "no agent 'x' [agents.x]\nhint: did you mean 'y'?"


def test_no_text_of_a_project_can_become_a_command() -> None:
    name = "a,b: 100%\n::stop-commands::x/agents.yaml"
    message = "50% of\r\n::add-mask::it, a:b %0A"
    [(_, properties, said)] = annotations(draw_commands([report(mistake(message, file=name), file=name)], strict=False))
    assert properties["file"] == name
    assert said == message.replace("\r\n", "\n")
    evil = draw_commands([report(file="::add-mask::x/agents.yaml"), report(file="##[add-mask]x.yaml")], strict=False)
    assert annotations(evil) == []
    assert "##[" not in evil


def test_a_mistake_of_the_whole_file_has_no_line() -> None:
    [(_, properties, _)] = annotations(draw_commands([report(mistake(line=0, column=0))], strict=False))
    assert set(properties) == {"file", "title"}


# --- sarif


def test_a_region_covers_the_value_in_code_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "version: 1\nagents: {helper: {name: '🎉é', modle: gpt}, '🎉': {handoffs: [nobody]}}\nentry: helper\n"
    Path("agents.yaml").write_text(text, encoding="utf-8")
    found = check_path(Path(), Depth())
    assert as_sarif([found])["runs"][0]["columnKind"] == "unicodeCodePoints"
    covered = []
    for result in results([found]):
        region = result["locations"][0]["physicalLocation"]["region"]
        covered.append(text.split("\n")[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1])
    assert {"modle", "nobody"} <= {*covered}


def test_a_region_ends_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agents.yaml").write_text(
        "version: 1\nagents:\n  helper:\n    tools: 'a long\n      text'\n", encoding="utf-8"
    )
    found = check_path(Path(), Depth())
    assert found.diagnostics
    for diagnostic in found.diagnostics:
        row = found.sources["agents.yaml"].split("\n")[diagnostic.place.line - 1]
        assert diagnostic.place.column + diagnostic.length - 1 <= len(row)


def test_a_rule_says_what_its_code_means() -> None:
    log = as_sarif([report(mistake(), WARNING, NOTE, mistake("again"))])
    driver = log["runs"][0]["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == ["A203", "A222", "A339"]
    for result in log["runs"][0]["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert driver["rules"][0]["shortDescription"]["text"] == "An agent's tool that is not declared."
    assert [result["level"] for result in log["runs"][0]["results"]] == ["error", "warning", "note", "error"]


def test_a_fingerprint_stays_when_lines_move_and_tells_two_mistakes_apart() -> None:
    def marks(*found: Diagnostic) -> list[str]:
        return [result["partialFingerprints"]["chatkitRuntime/v1"] for result in results([report(*found)])]

    before = marks(mistake(path="agents.a", line=3), mistake(path="agents.b", line=3), mistake(path="agents.b", line=9))
    assert len(set(before)) == 3
    assert marks(mistake(path="agents.a", line=70)) == before[:1]


@pytest.mark.parametrize("file", ["bot/agents.yaml", "a b/100%/ü#?:.yaml", ".env"])
def test_a_file_below_the_working_folder_is_named_by_its_path(file: str) -> None:
    [result] = results([report(mistake(file=file))])
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact["uriBaseId"] == "%SRCROOT%"
    assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", artifact["uri"])
    assert unquote(artifact["uri"]) == file


def test_a_file_elsewhere_has_an_address_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for file in ("../bot/agents.yaml", str(tmp_path / "bot" / "agents.yaml")):
        [result] = results([report(mistake(file=file))])
        artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert artifact == {"uri": (tmp_path.resolve() / "bot" / "agents.yaml").as_uri()}


def test_a_log_without_mistakes_is_valid_too() -> None:
    assert results([report()]) == []


# --- junit


def test_only_what_fails_the_run_is_a_failure() -> None:
    found = [report(mistake(), WARNING, NOTE)]
    loose = [case.find("failure") is not None for case in cases(found)]
    strict = [case.find("failure") is not None for case in cases(found, strict=True)]
    assert (loose, strict) == ([True, False, False], [True, True, False])


def test_a_project_that_passes_has_a_case_that_passed() -> None:
    first, second = cases([report(WARNING)])
    assert (first.get("name"), first.findtext("system-out")) == (
        "validate",
        "bot/agents.yaml: ok (2 agents, 1 widget), 1 warning",
    )
    assert second.get("name") == "A222 bot/agents.yaml: it is odd"
    assert [case.get("name") for case in cases([report(WARNING)], strict=True)] == ["A222 bot/agents.yaml: it is odd"]


def test_a_failure_holds_the_frame_and_its_place() -> None:
    [case] = cases([report(mistake("no tool", line=1, column=4, path="agents.a"))])
    assert (case.get("file"), case.get("line")) == ("bot/agents.yaml", "1")
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("A203", "no tool")
    assert "  1 | a: b\n    |    ^" in str(failure.text)


def test_what_xml_refuses_is_left_out() -> None:
    text = "".join(map(chr, (*range(0x20), 0x7F, 0x85, 0xD800, 0xFFFE, 0xFFFF))) + "<&>\"'🎉"
    [case] = cases([report(mistake(text, path=text, file=text), file=text)])
    assert str(case.get("name")).endswith("<&>\"'🎉")


# --- json


def test_the_document_names_each_project_and_what_it_declares() -> None:
    document = as_json([report(WARNING), report(mistake(), file="desk/agents.yaml")], strict=False)
    assert (document["ok"], document["errors"], document["warnings"], document["notes"]) == (False, 1, 1, 0)
    fine, wrong = document["projects"]
    assert (fine["file"], fine["ok"], fine["agents"], fine["tools"], fine["widgets"]) == (
        "bot/agents.yaml",
        True,
        2,
        0,
        1,
    )
    assert (wrong["ok"], wrong["agents"], wrong["built"]) == (False, None, False)
    assert [entry["project"] for entry in document["diagnostics"]] == ["bot/agents.yaml", "desk/agents.yaml"]


def test_strict_decides_what_is_ok() -> None:
    assert as_json([report(WARNING, NOTE)], strict=False)["ok"]
    assert not as_json([report(WARNING)], strict=True)["ok"]
    assert as_json([report(NOTE)], strict=True)["ok"]
