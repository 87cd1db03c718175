"""Files of other systems are recognised as a whole; files of ours never are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runtime.config import foreign_files
from runtime.config.foreign_files import recognise
from runtime.documents.document import Source, read_yaml
from tests.config.catalogue import bad_configs, good_configs
from tests.config.test_hint_properties import KEYS

SYSTEMS: dict[str, Any] = read_yaml(
    Path(foreign_files.__file__).with_suffix(".yaml").read_text(encoding="utf-8"), "foreign_files.yaml"
).data
SIGNS = [(system, sign) for system, known in SYSTEMS.items() for sign in known["signs"]]


def source(data: dict[str, Any]) -> Source:
    return read_yaml(json.dumps(data), "agents.yaml")


def with_paths(paths: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for path in paths:
        target = data
        *above, last = ["any" if step == "*" else step for step in path.split(".")]
        for step in above:
            target = target.setdefault(step, {})
        target.setdefault(last, "x")
    return data


@pytest.mark.parametrize(("system", "sign"), SIGNS, ids=[f"{system}-{sign[0]}" for system, sign in SIGNS])
def test_a_file_with_the_signs_of_a_system_is_recognised_unless_it_says_version_1(system: str, sign: list[str]) -> None:
    data = with_paths(sign)
    diagnostic = recognise(source(data))
    assert diagnostic is not None
    assert diagnostic.code == "A111"
    assert system in diagnostic.message
    assert recognise(source({"version": 1, **data})) is None


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_explanation_names_the_parts_that_are_in_the_file(system: str) -> None:
    data = with_paths(SYSTEMS[system]["signs"][0])
    for word, text in SYSTEMS[system]["parts"].items():
        diagnostic = recognise(source({**data, "x-more": {word: 1}}))
        assert diagnostic is not None
        assert text in diagnostic.hint
        assert KEYS & set(re.findall(r"[a-z_]+", text)) or "no equivalent" in text or "is written" in text


@pytest.mark.parametrize("config", good_configs(), ids=lambda config: config.stem)
def test_a_file_of_ours_is_not_recognised_also_without_its_version(config: Path) -> None:
    data = read_yaml(config.read_text(encoding="utf-8"), config.name).data
    assert recognise(source({key: value for key, value in data.items() if key != "version"})) is None


def test_of_the_bad_configs_only_files_of_other_systems_are_recognised() -> None:
    recognised = set()
    for config in bad_configs():
        if config.is_file() and config.stem not in ("A003", "utf16", "not_utf8"):
            read = read_yaml(config.read_text(encoding="utf-8-sig"), config.name)
            recognised |= {config.stem} if not read.diagnostics and recognise(read) is not None else set()
    assert {name for name in recognised if not name.startswith("file_of_")} == {"A111"}
    assert len(recognised) >= 9
