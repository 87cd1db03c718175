"""Files that were saved too early: real configs, cut at every line and at every few bytes.

A cut is either refused, or what is left is a whole config that says less. Which cuts pass is written down below with
the reason, and each of them is proven whole by other means than the runtime's own: another YAML parser, a stock
validator of JSON Schema, and a look at every name in it.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from runtime.config.load import load_config
from runtime.config.schema import config_schema
from runtime.diagnostics.diagnostic import Severity
from runtime.validation.project import check_project
from tests.config.catalogue import TODAY

ROOT = Path(__file__).parents[2]
PARTS = {
    ROOT / "agents.yaml": ("tools", "prompts", "widgets", "demo"),
    ROOT / "tests" / "configs" / "good" / "full.yaml": ("app", "tools", "prompts", "widgets", "demo"),
}
SAMPLE, FULL = PARTS
EVERY_BYTES = 61
# Why a file may end in a section and be whole.
WHOLE_IN = {
    "agents": "an agent with a model and instructions is whole before it has its tools; so is the last of them",
    "actions": "each action is whole by itself; that no widget sends one that the cut took away is checked",
    **dict.fromkeys(
        (
            "chat",
            "context",
            "context_class",
            "converter",
            "routes",
            "state",
            "store",
            "auth",
            "limits",
            "server",
            "reload",
        ),
        "each of these has a default, and nothing above it refers to it",
    ),
}
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def worst_severity(project: Path, content: bytes) -> Severity:
    """Return the highest severity that `validate` reports for this agents.yaml; `note` if it reports nothing."""
    (project / "agents.yaml").write_bytes(content)
    diagnostics = check_project(load_config(project, environ={"OPENAI_API_KEY": "key-of-the-tests"}), TODAY)
    # A624 depends on the packages that are installed.
    severities = {diagnostic.severity for diagnostic in diagnostics if diagnostic.code != "A624"}
    return "error" if "error" in severities else "warning" if "warning" in severities else "note"


def section_of(content: bytes) -> str:
    """The section of the file that a cut ends in."""
    keys = re.findall(r"^([a-z_]+):", content.decode(errors="ignore"), re.MULTILINE)
    return str(keys[-1]) if keys else ""


def prove_whole(content: bytes, whole: dict[str, Any]) -> None:
    data = with_defaults(YAML(typ="safe", pure=True).load(content.decode()))
    assert list(validator().iter_errors(data)) == []
    assert list(lost_names(data)) == []
    # Nothing is said that the whole file does not say; only the value at the very end may be shorter.
    more = dict(leaves(data)).items() - dict(leaves(whole)).items()
    assert len([path for path, value in more if value is not None]) <= 1


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(config_schema())


def with_defaults(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_defaults(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_defaults(item) for item in value]
    match = VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return YAML(typ="safe", pure=True).load(match[1] or '""') if match else value


def lost_names(data: dict[str, Any]) -> Iterator[str]:
    """Every name that is used and not declared."""
    agents, tools, widgets = data["agents"], data.get("tools", {}), data.get("widgets", {})
    yield from {data.get("entry")} - {None, *agents}
    for agent in agents.values():
        yield from {name for name in agent.get("tools", []) if ":" not in name} - tools.keys()
        for handoff in agent.get("handoffs", []):
            yield from {handoff if isinstance(handoff, str) else handoff["agent"]} - agents.keys()
    for entry in (*tools.values(), *data.get("actions", {}).values()):
        if isinstance(entry, dict):
            yield from {entry.get("agent")} - {None, *agents}
            yield from {name for name in [entry.get("widget")] if name and "/" not in name} - widgets.keys()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, f"{path}/{key}")
    if not isinstance(value, dict | list):
        yield path, value


def passing(project: Path, file: Path, ends: Sequence[int]) -> tuple[Counter[str], Counter[str]]:
    """Cut a file at each of the byte offsets; how many pass without an error, and with a warning, by section."""
    content = file.read_bytes()
    whole = with_defaults(YAML(typ="safe", pure=True).load(content.decode()))
    passed, warned = Counter[str](), Counter[str]()
    for end in ends:
        worst = worst_severity(project, content[:end])
        if worst != "error":
            prove_whole(content[:end], whole)
            passed[section_of(content[:end])] += 1
            warned[section_of(content[:end])] += worst == "warning"
    return passed, +warned


def line_ends(file: Path) -> list[int]:
    return [match.start() for match in re.finditer(rb"(?<=\n)", file.read_bytes())][:-1]


CUTS = [
    pytest.param(
        SAMPLE,
        line_ends(SAMPLE),
        {"agents": 1, "state": 2, "store": 1, "auth": 1, "limits": 1},
        {"agents": 1},
        id="sample-lines",
    ),
    pytest.param(
        SAMPLE,
        range(0, SAMPLE.stat().st_size, EVERY_BYTES),
        {"agents": 1, "auth": 2, "limits": 1},
        {"agents": 1},
        id="sample-bytes",
    ),
    pytest.param(
        FULL,
        line_ends(FULL),
        {"actions": 1, "chat": 6, "context": 1, "context_class": 1, "converter": 1, "routes": 1}
        | {"state": 1, "store": 1, "limits": 1, "server": 1, "reload": 1},
        {},
        id="full-lines",
    ),
    pytest.param(
        FULL,
        range(0, FULL.stat().st_size, EVERY_BYTES),
        {"chat": 2, "context": 1, "store": 1, "reload": 1},
        {},
        id="full-bytes",
    ),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("file", "ends", "whole", "warned"), CUTS)
def test_a_cut_is_refused_or_leaves_a_whole_config(
    tmp_path: Path, file: Path, ends: Sequence[int], whole: dict[str, int], warned: dict[str, int]
) -> None:
    for name in PARTS[file]:
        shutil.copytree(file.parent / name, tmp_path / name)
    passed, noticed = passing(tmp_path, file, ends)
    assert passed.keys() <= WHOLE_IN.keys()
    assert (passed, noticed) == (whole, warned)


def test_most_cuts_are_refused() -> None:
    """The numbers above, in one: of every cut that could be made, how many are noticed at once."""
    cuts = sum(len(case.values[1]) for case in CUTS)
    silent = sum(sum(case.values[2].values()) - sum(case.values[3].values()) for case in CUTS)
    assert silent / cuts < 0.15, f"{silent} of {cuts} cuts pass without a word"
