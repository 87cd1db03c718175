"""Parse the files of the sample project into trees for edits, and write them again.

The template of a ChatKit Studio widget is a JSON string of JSON with Jinja: it becomes a part of the tree, in which
each Jinja expression is a marked string that `render` restores.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CONFIG = "agents.yaml"
SCRIPT = "demo/script.yaml"
PROMPT = "prompts/guide.md"
WIDGETS = ("widgets/packing.json", "widgets/trail.widget")
FILES = (CONFIG, SCRIPT, PROMPT, *WIDGETS)
"""The files that are edited, all but Python."""
FOLDERS = ("demo", "prompts", "tools", "widgets")

_JINJA = re.compile(r"\{%-? if .*?endif -?%\}|\{\{.*?\}\}")
_MARK = "\0"
_MARKED = re.compile(r'"\\u0000((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Tree:
    """The data of one file; edits change it in place."""

    file: str
    data: Any

    def text(self) -> str:
        """Return the text of the file."""
        return render(self.file, self.data)


def parse(file: str, text: str) -> Tree:
    """Parse a valid file."""
    return Tree(file, deepcopy(_read(file, text)))


@cache
def _read(file: str, text: str) -> Any:
    if file.endswith(".yaml"):
        return _yaml().load(text)
    data = json.loads(text)
    if file.endswith(".widget"):
        data["template"] = json.loads(_JINJA.sub(lambda match: json.dumps(_MARK + match[0]), data["template"]))
    return data


def render(file: str, data: Any) -> str:
    """Write data that `parse` has read, after any edit."""
    if file.endswith(".yaml"):
        stream = io.StringIO()
        _yaml().dump(data, stream)
        return stream.getvalue()
    if isinstance(data, dict) and isinstance(template := data.get("template"), dict | list):
        template = _MARKED.sub(lambda match: json.loads(f'"{match[1]}"'), json.dumps(template, ensure_ascii=False))
        data = data | {"template": template}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode, yaml.width = True, 120
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel.yaml declares it as None
    return yaml


def is_jinja(value: object) -> bool:
    """Return whether a value of a Studio widget's tree represents a Jinja expression."""
    return isinstance(value, str) and value.startswith(_MARK)


def read_project(root: Path) -> dict[str, str]:
    """Return the texts of the files that are edited, by name."""
    return {name: (root / name).read_text(encoding="utf-8") for name in FILES}


def write_project(root: Path, folder: Path, texts: Mapping[str, str]) -> None:
    """Copy the project at `root` to `folder`, with other texts in some of its files."""
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
