"""The widgets of a project: built by name, with all mistakes reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.assemble.problems import Problems
from runtime.assemble.widgets import Widgets
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles
from runtime.project_code.loader import ProjectCode

CARD = {"type": "Card", "children": [{"type": "Text", "value": "Order {{ id }}"}]}
REPORT = {"sections": [{"type": "text", "text": "{{ note }}"}]}


def build(folder: Path, **widgets: Any) -> tuple[Widgets, Problems]:
    (folder / "app.py").write_text("def build(data):\n    return {}\n\nnumber = 3\n", encoding="utf-8")
    agents = {"a": {"model": "demo", "instructions": "Help."}}
    config = Config.model_validate({"version": 1, "agents": agents, "widgets": widgets})
    code = ProjectCode(folder)
    problems = Problems(code.sources)
    return Widgets(config, ProjectFiles(folder), code, problems), problems


def test_every_widget_of_a_file_is_built_by_name(tmp_path: Path) -> None:
    declared = {
        "order": {"template": CARD},
        "custom": {"python": "app:build"},
        "report": {"type": "sections", **REPORT},
    }
    widgets, problems = build(tmp_path, **declared)
    assert problems.recorded == []
    assert {name: widget.name for name, widget in widgets.built.items()} == {name: name for name in declared}


def test_the_mistakes_of_all_widgets_are_reported_at_once(tmp_path: Path) -> None:
    _, problems = build(
        tmp_path,
        lost="widgets/lost.widget",
        fine={"template": CARD},
        wrong={"template": {"type": "Card", "children": [{"type": "Txt"}]}},
        custom={"python": "app:number"},
    )
    assert [problem.path for problem in problems.recorded] == [
        ("widgets", name) for name in ("lost", "wrong", "custom")
    ]
    assert problems.recorded[1].message == "children[0].type: unknown component 'Txt' (did you mean 'Text'?)"
