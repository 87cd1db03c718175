"""The files of the sample project as trees that can be edited, and as text again.

A widget of ChatKit Studio is JSON with Jinja inside of a string of JSON: its template becomes a part of the tree, in
which each piece of Jinja is a string that `render` puts back as it was.
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
"""What is edited; the Python of the project is not."""
FOLDERS = ("demo", "prompts", "tools", "widgets")

_JINJA = re.compile(r"\{%-? if .*?endif -?%\}|\{\{.*?\}\}")
_MARK = "\0"
_MARKED = re.compile(r'"\\u0000((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Tree:
    """One file as data: an edit changes `data` where it is."""

    file: str
    data: Any

    def text(self) -> str:
        """What is to be written into the file."""
        return render(self.file, self.data)


def parse(file: str, text: str) -> Tree:
    """Read a file that is right."""
    return Tree(file, deepcopy(_read(file, text)))


@cache
def _read(file: str, text: str) -> Any:
    if file.endswith(".yaml"):
        return _yaml().load(text)
    data = json.loads(text)
    if file.endswith(".widget"):
        data["template"] = json.loads(_JINJA.sub(lambda found: json.dumps(_MARK + found[0]), data["template"]))
    return data


def render(file: str, data: Any) -> str:
    """Write what `parse` has read, whatever has become of it."""
    if file.endswith(".yaml"):
        stream = io.StringIO()
        _yaml().dump(data, stream)
        return stream.getvalue()
    if isinstance(data, dict) and isinstance(template := data.get("template"), dict | list):
        drawn = _MARKED.sub(lambda found: json.loads(f'"{found[1]}"'), json.dumps(template, ensure_ascii=False))
        data = data | {"template": drawn}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_unicode, yaml.width = True, 120
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel.yaml declares it None for ever
    return yaml


def is_jinja(value: object) -> bool:
    """Tell whether a value of a Studio widget's tree stands for a piece of Jinja."""
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
