"""The catalogue of mistakes in tests/configs: the report of each bad config, and the fixtures of each code."""

from __future__ import annotations

import functools
import os
import re
from datetime import date
from pathlib import Path
from unittest.mock import patch

from runtime.config.load import LoadedProject, load_config
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.validation.project import check_project

# The day of the reports: some name models that are served until a later one.
TODAY = date(2026, 11, 28)
CONFIGS = Path(__file__).parent.parent / "configs"
ENVIRON = {"PORT": "8080", "WORD": "s3cret-word", "OPENAI_API_KEY": "none"}
# These codes are reported only without a key.
KEYLESS = ("A625",)
# No single file can show these: their bad fixture is a folder.
FOLDERS = ("A001", "A002", "A110", "A502")
# Only a real build finds these, so they have projects of their own in tests/configs/built.
BUILT = (
    *("A301", "A302", "A303", "A305", "A306", "A310", "A311", "A312", "A313", "A314", "A315", "A316", "A317"),
    *("A401", "A601", "A602", "A610", "A611", "A630", "A631", "A632", "A633"),
)
# The net under the explanations: tests/config/test_schema.py takes the schema away to get there.
WITHOUT_FIXTURE = ("A199",)


def bad_configs() -> list[Path]:
    """Every bad file, and every folder that is one bad project."""
    return sorted([*(CONFIGS / "bad").glob("*.yaml"), *(CONFIGS / "bad" / code for code in FOLDERS)])


def good_configs() -> list[Path]:
    return sorted((CONFIGS / "good").glob("*.yaml"))


def expected_of(config: Path) -> Path:
    """The file with the exact report on a bad config."""
    return config.parent / f"{config.stem}.txt"


def expected_codes(config: Path) -> list[tuple[str, str]]:
    """The severities and codes in the expected report."""
    return re.findall(r": (error|warning|note) (A\d{3}): ", expected_of(config).read_text(encoding="utf-8"))


@functools.cache
def check(config: Path) -> tuple[LoadedProject, list[Diagnostic]]:
    """Return the report of `validate`, with `--base` if tests/configs/bad/base has a file of the same name."""
    environ = {name: value for name, value in ENVIRON.items() if name != "OPENAI_API_KEY" or config.stem not in KEYLESS}
    loaded = load_config(config, environ=environ)
    # A624 depends on the packages that are installed.
    with patch("runtime.validation.models.find_spec", lambda name: None):
        diagnostics = check_project(loaded, TODAY)
    base = config.parent / "base" / config.name
    if base.is_file():
        # Only a few fixtures need it.
        from runtime.validation.breaking_changes import check_changes

        diagnostics = [*diagnostics, *check_changes(loaded, base)]
    return loaded, diagnostics


def render(config: Path) -> str:
    lines = "".join(f"{diagnostic}\n" for diagnostic in check(config)[1])
    return lines.replace(f"{CONFIGS}{os.sep}", "")
