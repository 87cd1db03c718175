"""What editors show of agents.yaml: yaml-language-server with the shipped schema, over the files of this repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config.schema import SCHEMA_FILE, config_schema
from runtime.documents.document import read_yaml
from tests.config.language_server import LanguageServer, run_language_server
from tests.config.test_hint_properties import KEYS, key_paths
from tests.config.test_schema import CONFIGS, WRITTEN

FULL = (CONFIGS / "good" / "full.yaml").read_text(encoding="utf-8")
HEAD = "version: 1\nagents:\n  guide:\n    model: fast\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    schema = Path(shutil.copy(SCHEMA_FILE, tmp_path_factory.mktemp("project")))
    with run_language_server(schema) as server:
        yield server


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_editor_underlines_nothing_in_a_correct_file(editor: LanguageServer, file: Path) -> None:
    assert editor.diagnostics(f"{file.parent.name}-{file.name}", file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + "    max_turns: many\n", 5),
        (HEAD + "    instrctions: Hi\n", 5),
        (HEAD + "server: {port: eighty}\n", 5),
        (HEAD + "chat: {on_disconnect: canel}\n", 5),
        ("version: 2\nagents: {a: {model: m}}\n", 1),
    ],
)
def test_an_editor_underlines_a_mistake_at_its_line(editor: LanguageServer, text: str, line: int) -> None:
    shown = editor.diagnostics(f"wrong-{line}-{abs(hash(text))}.yaml", text)
    assert [int(message.partition(":")[0]) for message in shown] == [line], shown


def test_hovering_over_a_key_explains_it(editor: LanguageServer) -> None:
    source = read_yaml(FULL, "full.yaml")
    editor.open("hover.yaml", FULL)
    silent, explained, seen = [], 0, set()
    for path in key_paths(source.data):
        shape = tuple(step for step in path if isinstance(step, str) and step in KEYS)
        if path[0] == "profiles" or shape in seen or not is_key_of_the_language(path):
            continue
        seen.add(shape)
        place = source.places.key(path)
        text = editor.hover("hover.yaml", place.line - 1, place.column - 1)
        explained += bool(text)
        silent += [] if text else [path]
    assert silent == []
    assert explained > 120


def is_key_of_the_language(path: tuple[object, ...]) -> bool:
    """Whether the last step of a path is a property, and not a name or data of the user."""
    from runtime.config.unknown_keys import schema_forms

    parts = [config_schema()]
    for step in path[:-1]:
        following = []
        for form in (form for part in parts for form in schema_forms(part)):
            more = form.get("items") if isinstance(step, int) else form.get("properties", {}).get(step)
            more = more or form.get("additionalProperties")
            following += [more] if isinstance(more, dict) else []
        parts = following
    return any(path[-1] in form.get("properties", {}) for part in parts for form in schema_forms(part))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("version: 1\n", {"agents", "models", "tools", "widgets", "mcp", "guardrails", "chat", "server"}),
        (HEAD + "    ", {"instructions", "tools", "handoffs", "settings", "max_turns"}),
        (HEAD + "server:\n  ", {"port", "host", "cors"}),
        (HEAD + "tools:\n  look:\n    ", {"python", "widget", "client", "hosted", "description"}),
    ],
)
def test_an_editor_completes_keys(editor: LanguageServer, text: str, names: set[str]) -> None:
    file = f"keys-{abs(hash(text))}.yaml"
    editor.open(file, text)
    lines = text.split("\n")
    offered = editor.complete(file, len(lines) - 1, len(lines[-1]))
    assert names <= set(offered), offered


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (HEAD + "chat:\n  on_disconnect: ", {"cancel", "finish"}),
        (HEAD + "chat:\n  allow_cancel: ", {"true", "false"}),
        (HEAD + "tools:\n  search:\n    hosted: ", {"web_search", "file_search", "image_generation"}),
        (HEAD + "    settings:\n      reasoning:\n        effort: ", {"low", "medium", "high"}),
        (HEAD + "limits:\n  turn: ", {"120s"}),
    ],
)
def test_an_editor_completes_values(editor: LanguageServer, text: str, names: set[str]) -> None:
    file = f"values-{abs(hash(text))}.yaml"
    editor.open(file, text)
    lines = text.split("\n")
    offered = editor.complete(file, len(lines) - 1, len(lines[-1]))
    assert names <= {label.strip("\"'") for label in offered}, offered
