"""The words of other systems in unknown_keys.yaml: each gets a hint, and the hint is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runtime.config import unknown_keys
from runtime.config.schema import config_schema
from runtime.config.shape_errors import build_config
from runtime.config.unknown_keys import model_of_another_provider
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.documents.document import read_yaml
from runtime.documents.variables import interpolate
from tests.config.test_hint_properties import KEYS

TABLES: dict[str, Any] = read_yaml(
    Path(unknown_keys.__file__).with_suffix(".yaml").read_text(encoding="utf-8"), "unknown_keys.yaml"
).data
SMALL: dict[str, Any] = {"version": 1, "agents": {"a": {"model": "m"}}}
# The entries of a kind in which a word may be written, and where they are.
HOLDERS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "agents": [("agents.a", {"model": "m"}), ("agents.b", {})],
    "handoffs": [("agents.a.handoffs.0", {"agent": "a"}), ("agents.a.handoffs.0", {})],
    "tools": [("tools.t", {"python": "a:b"}), ("tools.t", {"client": "x"}), ("tools.t", {})],
    "mcp": [("mcp.m", {"command": "x"}), ("mcp.m", {"url": "http://x"}), ("mcp.m", {})],
    "models": [("models.m", {"name": "x"}), ("models.m", {})],
    "settings": [("agents.a.settings", {})],
    "guardrails": [
        ("guardrails.g", {"regex": "x"}),
        ("guardrails.g", {"judge": "m", "instructions": "x"}),
        ("guardrails.g", {}),
    ],
    "widgets": [("widgets.w", {"template": "x.json"}), ("widgets.w", {})],
    "actions": [("actions.x", {"python": "a:b"}), ("actions.x", {"message": "x"}), ("actions.x", {})],
    "chat": [("chat", {})],
    "instructions": [("agents.a.instructions", {"text": "x"}), ("agents.b.instructions", {})],
    "entry": [("entry.0", {"when": "{{ true }}", "agent": "a"}), ("entry.0", {"agent": "a"}), ("entry.0", {})],
    "store": [("store", {"url": "memory"}), ("store", {})],
    "limits": [("limits", {})],
    "auth": [
        ("auth", {}),
        ("auth.bearer.ci", {"token": "x"}),
        ("auth.jwt", {"issuer": "x"}),
        ("auth.jwt.claims", {}),
        ("auth.header", {"user": "X-User", "proxies": ["127.0.0.1"]}),
    ],
    "output": [("agents.a.output", {})],
    "start_prompts": [("chat.start_prompts.0", {"label": "x", "prompt": "x"}), ("chat.start_prompts.0", {})],
    "": [("", SMALL)],
}
# Shape errors of the value itself are no matter here: each word gets a value of the right shape where one is known.
VALUES: list[Any] = ["a:b", ["a"], {"x": "y"}, 1, True]


def with_entry(at: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a small file with an entry at a path such as `agents.a.handoffs.0`."""
    if not at:
        return entry
    data = json.loads(json.dumps(SMALL))
    target: Any = data
    steps = [int(step) if step.isdigit() else step for step in at.split(".")]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if following is None:
            if isinstance(target, list):
                target.append(entry)
            else:
                target[step] = {**target.get(step, {}), **entry} if entry or step not in target else {}
        elif isinstance(target, dict):
            target = target.setdefault(step, [] if isinstance(following, int) else {})
    return data


def unknown(data: Any, word: str) -> list[Diagnostic]:
    diagnostics = build_config(interpolate(read_yaml(json.dumps(data), "a.yaml"), {})).diagnostics
    return [each for each in diagnostics if each.code == "A101" and each.message.startswith(f"unknown key {word!r}")]


SYNONYMS = [
    (kind, word, key) for kind, keys in TABLES["synonyms"].items() for key, words in keys.items() for word in words
]
ADVICE = [(kind, word, text) for kind, words in TABLES["advice"].items() for word, text in words.items()]


@pytest.mark.parametrize(("kind", "word", "key"), SYNONYMS)
def test_a_word_of_another_system_is_translated_somewhere_and_the_translation_removes_the_report(
    kind: str, word: str, key: str
) -> None:
    translated = 0
    for at, entry in HOLDERS[kind]:
        for value in VALUES:
            for diagnostic in unknown(with_entry(at, {**entry, word: value}), word):
                assert diagnostic.hint, (entry, diagnostic)
                if diagnostic.hint.startswith(f"did you mean {key!r}"):
                    translated += 1
                    if " in " not in diagnostic.hint:
                        assert unknown(with_entry(at, {**entry, key: value}), key) == []
    assert translated or word in TABLES["advice"].get(kind, {}) or word in KEYS


@pytest.mark.parametrize(("kind", "word", "text"), ADVICE)
def test_advice_names_keys_that_exist(kind: str, word: str, text: str) -> None:
    hints = [
        diagnostic.hint
        for at, entry in HOLDERS[kind]
        for value in VALUES
        for diagnostic in unknown(with_entry(at, {**entry, word: value}), word)
    ]
    assert text in hints
    assert "not supported" not in text
    for quoted in re.findall(r"'([a-z_]+)(?=[':])", text):
        assert quoted in KEYS | {"mcp", "serve", "remember", "http", "sse", "sqlite", "postgresql"}, quoted


@pytest.mark.parametrize("path", TABLES["values"])
def test_advice_about_a_value_is_about_a_path_of_the_schema(path: str) -> None:
    parts: list[Any] = [config_schema()]
    for step in path.split("."):
        following = []
        for form in (form for part in parts for form in unknown_keys.schema_forms(part)):
            known = form.get("properties", {}).get(step)
            free = form.get("items") or form.get("additionalProperties") if step == "*" else None
            following += [part for part in (known, free) if isinstance(part, dict)]
        parts = following
    assert parts, path


@pytest.mark.parametrize(
    ("entry", "kind", "name"),
    [
        ({"provider": "anthropic", "model": "claude-x"}, "any_llm", "anthropic/claude-x"),
        ({"provider": "Anthropic", "name": "anthropic/claude-x"}, "any_llm", "anthropic/claude-x"),
        ({"type": "google", "model_id": "gemini-x"}, "any_llm", "gemini/gemini-x"),
        ({"provider": "openai", "model": "gpt-6-luna"}, "name", "gpt-6-luna"),
    ],
)
def test_a_model_with_a_provider_is_understood_as_a_whole(entry: dict[str, str], kind: str, name: str) -> None:
    model = model_of_another_provider(("models", "m"), entry)
    assert model is not None
    assert (model.kind, model.name) == (kind, name)


@pytest.mark.parametrize("entry", [{"name": "x"}, {"any_llm": "a/b", "provider": "x", "model": "y"}, {"provider": 1}])
def test_other_models_are_left_alone(entry: dict[str, Any]) -> None:
    assert model_of_another_provider(("models", "m"), entry) is None
