"""Models as far as they can be judged without asking anybody: names, keys, packages, settings, tool choices."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project
from tests.validation.sdk_models import read_models

KEY = {"OPENAI_API_KEY": "sk-test"}


def found(folder: Path, text: str, code: str, environ: dict[str, str] = KEY) -> list[str]:
    (folder / "agents.yaml").write_text(f"version: 1\n{text}\n", encoding="utf-8")
    loaded = load_config(folder, environ=environ)
    return [str(d).removeprefix("agents.yaml:") for d in check_project(loaded) if d.code == code]


def agent(settings: str, model: str = "m") -> str:
    return f"agents: {{a: {{model: {model}, settings: {{{settings}}}}}}}"


def test_the_file_of_models_is_what_the_installed_package_lists() -> None:
    file = files("runtime.validation") / "openai_models.json"
    text = json.dumps(read_models(), indent=1) + "\n"
    if os.environ.get("UPDATE_EXPECTED"):
        Path(str(file)).write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "name",
    ["gpt-4.1", "gpt-4.1-mini-2025-04-14", "gpt-4.1-2030-01-01", "ft:gpt-4.1-mini:acme::x1", "o3-pro", "gpt-4o-latest"],
)
def test_a_name_that_openai_knows_is_not_remarked_upon(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, f"agents: {{a: {{model: '{name}'}}}}", "A620") == []


def test_a_name_that_nobody_knows_is_a_note_with_the_nearest_one(tmp_path: Path) -> None:
    text = "models: {m: gpt4.1-mini}\nagents: {a: {model: m, handoffs: [b]}, b: {model: frobnicate}}"
    assert found(tmp_path, text, "A620") == [
        "2:13: note A620: 'gpt4.1-mini' is none of the OpenAI models that this release knows "
        "(did you mean 'gpt-4.1-mini'?) [models.m]",
        "3:51: note A620: 'frobnicate' is none of the OpenAI models that this release knows "
        "(it may be newer than this release) [agents.b.model]",
    ]


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("models: {m: {name: llama3.1, base_url: 'http://127.0.0.1:1/v1'}}\nagents: {a: {model: m}}", KEY),
        ("agents: {a: {model: llama3.1}}", {**KEY, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}),
        ("agents: {a: {model: '${NO_SUCH}'}}", KEY),
        ("models: {unused: frobnicate, m: gpt-4.1}\nagents: {a: {model: m}}", KEY),
        ("models: {m: {python: 'a:b'}}\nagents: {a: {model: m}}", KEY),
    ],
)
def test_only_models_of_openais_own_are_looked_up(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    assert found(tmp_path, text, "A620", environ) == []


def test_models_without_a_key_are_one_warning(tmp_path: Path) -> None:
    text = "models: {m: gpt-4.1}\nagents: {a: {model: m, handoffs: [b]}, b: {model: gpt-5}}"
    lines = found(tmp_path, text, "A625", {})
    assert len(lines) == 1
    assert lines[0].startswith("2:13: note A625: the model 'm' has no key, nor has 1 other (set OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("models", "environ"),
    [
        ("m: gpt-4.1", KEY),
        ("m: {name: gpt-4.1, api_key: none}", {}),
        ("m: {name: gpt-4.1, api_key: '${NOT_SET}'}", {}),
        ("m: {name: gpt-4.1, offline: s.yaml}", {}),
        ("m: {scripted: s.yaml}", {}),
        ("m: {python: 'a:b'}, n: gpt-4.1", {}),
    ],
)
def test_what_needs_no_key_or_has_one_is_not_warned_of(tmp_path: Path, models: str, environ: dict[str, str]) -> None:
    assert found(tmp_path, f"models: {{{models}}}\nagents: {{a: {{model: m}}}}", "A625", environ) == []


@pytest.mark.parametrize(("key", "module"), [("any_llm", "any_llm"), ("litellm", "litellm")])
def test_a_package_that_is_not_installed_is_a_warning(tmp_path: Path, key: str, module: str) -> None:
    lines = found(tmp_path, f"models: {{m: {{{key}: x/y}}}}\nagents: {{a: {{model: m}}}}", "A624")
    assert bool(lines) == (find_spec(module) is None)


REFUSED = [
    ("o3", "", "temperature: 1", "the model 'o3' refuses 'temperature'"),
    ("gpt-5-mini", "", "top_p: 0.5", "the model 'gpt-5-mini' refuses 'top_p'"),
    ("gpt-5.2", "", "temperature: 1, reasoning: {effort: low}", "refuses 'temperature' unless its effort is 'none'"),
    ("gpt-4.1", "", "reasoning: {effort: low}", "refuses 'reasoning': it is no reasoning model"),
    ("gpt-4.1", "", "verbosity: low", "refuses 'verbosity: low'"),
    ("gpt-5", "", "reasoning: {effort: none}", "refuses the effort 'none'"),
    ("gpt-5.1", "", "reasoning: {effort: xhigh}", "refuses the effort 'xhigh'"),
    ("gpt-4.1", "", "max_tokens: 5", "OpenAI refuses 5 as 'max_tokens'"),
    ("gpt-4.1", "", f"metadata: {{{'k' * 65}: v}}", "OpenAI refuses this metadata"),
    ("gpt-4.1", "", "presence_penalty: 1", "'presence_penalty' has no effect"),
    ("gpt-4.1", "", "include_usage: true", "'include_usage' has no effect"),
    ("gpt-4.1", ", api: chat_completions", "truncation: auto", "'truncation' has no effect"),
    ("o3", ", api: chat_completions", "max_tokens: 500", "refuses 'max_tokens' of the Chat Completions API"),
    ("o3", ", api: chat_completions", "frequency_penalty: 1", "refuses 'frequency_penalty'"),
    ("any", ", api: chat_completions, base_url: 'http://h/v1'", "truncation: auto", "'truncation' has no effect"),
]


@pytest.mark.parametrize(("name", "more", "settings", "expected"), REFUSED)
def test_a_setting_that_is_refused_or_lost_is_a_warning(
    tmp_path: Path, name: str, more: str, settings: str, expected: str
) -> None:
    lines = found(tmp_path, f"models: {{m: {{name: {name}{more}}}}}\n{agent(settings)}", "A621")
    assert len(lines) == 1
    assert expected in lines[0]
    assert lines[0].startswith("3:")


@pytest.mark.parametrize(
    ("name", "more", "settings"),
    [
        ("gpt-4.1", "", "temperature: 1, top_p: 1, max_tokens: 16, top_logprobs: 3"),
        ("gpt-5.1", "", "temperature: 1"),
        ("gpt-5.2", "", "temperature: 1, reasoning: {effort: none}"),
        ("gpt-5.2", "", "reasoning: {effort: xhigh}, verbosity: high"),
        ("o3", "", "reasoning: {effort: low, summary: auto}, verbosity: medium"),
        ("gpt-6-sol", "", "temperature: 1, reasoning: {effort: xhigh}, verbosity: low"),
        ("o3", ", base_url: 'http://h/v1'", "temperature: 1, max_tokens: 1"),
        ("gpt-4.1", ", api: chat_completions", "presence_penalty: 1, include_usage: true, max_tokens: 1"),
    ],
)
def test_settings_that_are_fine_are_not_remarked_upon(tmp_path: Path, name: str, more: str, settings: str) -> None:
    assert found(tmp_path, f"models: {{m: {{name: {name}{more}}}}}\n{agent(settings)}", "A621") == []


def test_an_agents_setting_stands_over_its_models(tmp_path: Path) -> None:
    models = "models: {m: {name: gpt-5.2, settings: {temperature: 1, reasoning: {effort: none}}}}"
    lines = found(tmp_path, f"{models}\n{agent('reasoning: {effort: high}')}", "A621")
    assert len(lines) == 1
    assert lines[0].startswith("2:")
    assert "models.m.settings.temperature" in lines[0]


def test_a_models_setting_is_reported_once_for_all_its_agents(tmp_path: Path) -> None:
    text = "models: {m: {name: o3, settings: {top_p: 1}}}\nagents: {a: {model: m, handoffs: [b]}, b: {model: m}}"
    assert len(found(tmp_path, text, "A621")) == 1


TOOLS = "tools: {look: {client: x}, search: {hosted: web_search}}\nmodels: {m: gpt-4.1}\n"


@pytest.mark.parametrize(
    ("agent_keys", "expected"),
    [
        ("tools: [look], settings: {tool_choice: lok}", "has no tool 'lok' to choose (did you mean 'look'?)"),
        ("tools: [search], settings: {tool_choice: search}", "(the model knows this one as 'web_search')"),
        ("settings: {tool_choice: required}", "'tool_choice: required', and the agent 'a' has no tool"),
        ("tools: [look], settings: {tool_choice: transfer_to_b}", "has no tool 'transfer_to_b'"),
        ("tools: [look, 'app:get'], settings: {tool_choice: fetch}", "note A622"),
    ],
)
def test_a_tool_choice_that_names_no_tool_is_told(tmp_path: Path, agent_keys: str, expected: str) -> None:
    lines = found(tmp_path, f"{TOOLS}entry: a\nagents: {{a: {{model: m, {agent_keys}}}, b: {{model: m}}}}", "A622")
    assert len(lines) == 1
    assert expected in lines[0]


@pytest.mark.parametrize(
    "agent_keys",
    [
        "tools: [look], settings: {tool_choice: look}",
        "tools: [look], settings: {tool_choice: required}",
        "settings: {tool_choice: none}",
        "tools: [search], settings: {tool_choice: web_search}",
        "handoffs: [b], settings: {tool_choice: transfer_to_b}",
        "tools: ['app:get'], settings: {tool_choice: get}",
        "tools: ['${NO_SUCH}'], settings: {tool_choice: get}",
    ],
)
def test_a_tool_choice_of_the_agents_own_is_fine(tmp_path: Path, agent_keys: str) -> None:
    text = f"{TOOLS}entry: a\nagents: {{a: {{model: m, {agent_keys}}}, b: {{model: m}}}}"
    assert found(tmp_path, text, "A622") == []
