from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

FILE = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}}
agents: {helper: {instructions: Help.}}
chat: {start_prompts: [{label: A, prompt: a, icon: ICON}]}
"""


@pytest.mark.parametrize(
    ("icon", "said"),
    [
        ("map-pin", []),
        ("vendor:cat", []),
        ("lucide:cat", []),
        ("lucide:Cat", [("A414", "chat.start_prompts[0].icon", "write it as on lucide.dev, such as 'lucide:map-pin'")]),
        ("dot", [("A414", "chat.start_prompts[0].icon", "it is for widgets alone")]),
        ("map-pn", [("A414", "chat.start_prompts[0].icon", "did you mean 'map-pin'?")]),
        ("zzzz", [("A414", "chat.start_prompts[0].icon", "")]),
    ],
)
def test_an_icon_that_chatkit_does_not_have_is_reported(
    tmp_path: Path, icon: str, said: list[tuple[str, str, str]]
) -> None:
    (tmp_path / "agents.yaml").write_text(FILE.replace("ICON", icon))
    found = check_project(load_config(tmp_path))
    assert [(one.code, one.path, one.hint) for one in found if one.severity != "note"] == said
