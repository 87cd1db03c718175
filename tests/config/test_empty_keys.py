"""Keys with nothing behind them, and keys that should no longer be written."""

from pathlib import Path

import pytest

from runtime.config.load import load_config


def reported(folder: Path, text: str) -> list[str]:
    (folder / "agents.yaml").write_text("version: 1\n" + text, encoding="utf-8")
    return [f"{d.code} {d.place.line} {d.path} {d.hint}".strip() for d in load_config(folder, environ={}).diagnostics]


def test_a_key_with_nothing_behind_it_is_noticed_and_a_comment_is_pointed_at(tmp_path: Path) -> None:
    text = (
        "agents:\n  a:\n    model: m\n    name: #1 Guide\n    description:\n    settings: {top_p: , top_logprobs: 1}\n"
    )
    assert reported(tmp_path, text) == [
        "A108 5 agents.a.name put a text that begins with '#' in quotes",
        "A108 6 agents.a.description remove the key if it needs no value",
        "A108 7 agents.a.settings.top_p remove the key if it needs no value",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "agents: {a: {model: m, name: null, description: ~}}\n",
        "agents: {a: {model: m}}\nx-notes:\n",
        "models: {default: {python: 'a:b', with: {size: , list: [~, ]}}}\nagents: {a: {}}\n",
        "agents: {a: {model: m, settings: {extra_body: {seed: }}}}\n",
        "agents: {a: {model: m}}\nchat: {greeting: '${GREETING:-}'}\n",
    ],
)
def test_a_written_null_and_the_data_of_the_user_s_own_are_left_alone(tmp_path: Path, text: str) -> None:
    assert reported(tmp_path, text) == []


def test_a_deprecated_key_is_found_in_models_and_agents_and_through_anchors(tmp_path: Path) -> None:
    text = """x-s: &s {prompt_cache_retention: 24h}
models: {default: {name: m, settings: *s}}
agents: {a: {settings: {prompt_cache_retention: in_memory}}}
"""
    codes = [" ".join(line.split()[:3]) for line in reported(tmp_path, text)]
    assert codes == [
        "A109 2 models.default.settings.prompt_cache_retention",
        "A109 4 agents.a.settings.prompt_cache_retention",
    ]
