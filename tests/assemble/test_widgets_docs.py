import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from runtime.assemble.widgets import build_widget
from runtime.config.model.widgets import Widget
from runtime.config.project_files import ProjectFiles
from runtime.widgets.component_checks import check_components

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "widgets.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLES = {name: entry for block in BLOCKS for name, entry in yaml.safe_load(block)["widgets"].items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_in_the_documentation_renders_its_sample(name: str) -> None:
    entry: dict[str, Any] = EXAMPLES[name]
    widget = build_widget(
        name, TypeAdapter(Widget).validate_python(entry), ProjectFiles(PAGE.parent), lambda path: path
    )
    assert widget.warnings == ()
    assert widget.sample == entry["sample"]
    assert check_components(widget.render(widget.sample).model_dump(exclude_none=True)) == []
