"""Models, as far as they can be checked without a request: names, keys, packages, settings, tool choices."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project
from tests.config.catalogue import TODAY

KEY = {"OPENAI_API_KEY": "sk-test"}


def found(folder: Path, text: str, code: str, environ: dict[str, str] = KEY, today: date = TODAY) -> list[str]:
    (folder / "agents.yaml").write_text(f"version: 1\n{text}\n", encoding="utf-8")
    loaded = load_config(folder, environ=environ)
    return [str(d).removeprefix("agents.yaml:") for d in check_project(loaded, today) if d.code == code]


def agent(settings: str, model: str = "m") -> str:
    return f"agents: {{a: {{model: {model}, settings: {{{settings}}}}}}}"


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
    ("gpt-6-luna", "", "temperature: 0", "refuses 'temperature' unless its effort is 'none' (leave it out, or write"),
    ("gpt-6-luna", "", "temperature: 0, reasoning: {effort: low}", "refuses 'temperature' unless"),
    ("gpt-6-luna-2026-09-22", "", "top_p: 0.1", "refuses 'top_p' unless its effort is 'none'"),
    ("gpt-6-luna", ", base_url: 'https://eu.api.openai.com/v1'", "top_p: 0.1", "refuses 'top_p' unless"),
    ("gpt-6.1-sol", "", "temperature: 0", "the model 'gpt-6.1-sol' refuses 'temperature' (leave it out)"),
    (
        "gpt-6.1-sol",
        "",
        "reasoning: {effort: none}",
        "refuses the effort 'none' (it knows low, medium, high, xhigh, max)",
    ),
    ("gpt-6.1-terra", "", "reasoning: {effort: minimal}", "refuses the effort 'minimal'"),
    ("gpt-5.2", "", "reasoning: {effort: max}", "refuses the effort 'max'"),
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
        ("gpt-9-sol", "", "temperature: 1, reasoning: {effort: xhigh}, verbosity: low"),
        ("gpt-6-luna", "", "temperature: 1, reasoning: {effort: none}, verbosity: low"),
        ("gpt-6-luna", "", "reasoning: {effort: max, mode: pro}"),
        ("gpt-6-luna", ", base_url: 'https://acme.openai.azure.com/v1'", "temperature: 1"),
        ("gpt-5.6-luna", "", "temperature: 1"),  # the SDK sets its effort to `none`
        ("ft:gpt-4.1-mini:acme::x", "", "temperature: 1, top_p: 1"),
        ("o3", ", base_url: 'http://h/v1'", "temperature: 1, max_tokens: 1"),
        ("gpt-4.1", ", api: chat_completions", "presence_penalty: 1, include_usage: true, max_tokens: 1"),
    ],
)
def test_settings_that_are_fine_are_not_remarked_upon(tmp_path: Path, name: str, more: str, settings: str) -> None:
    assert found(tmp_path, f"models: {{m: {{name: {name}{more}}}}}\n{agent(settings)}", "A621") == []


FUNCTIONS = "tools: {look: {client: x}}\n"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "{name: gpt-6-luna, api: chat_completions}",
            "warning A621: the model 'gpt-6-luna' takes function tools by the Chat Completions API with the effort "
            "'none' only (take 'api: responses', or write 'settings: {reasoning: {effort: none}}') [models.m.api]",
        ),
        (
            "{name: gpt-5.4, api: chat_completions, settings: {reasoning: {effort: low}}}",
            "the model 'gpt-5.4' takes function tools by the Chat Completions API with the effort 'none' only",
        ),
        (
            "{name: gpt-6.1-sol, api: chat_completions}",
            "the model 'gpt-6.1-sol' takes no function tools by the Chat Completions API",
        ),
        ("{name: gpt-5.5-pro, api: chat_completions}", "is not served by the Chat Completions API"),
    ],
)
def test_functions_that_an_api_refuses_are_found(tmp_path: Path, model: str, expected: str) -> None:
    text = f"{FUNCTIONS}models: {{m: {model}}}\nagents: {{a: {{model: m, tools: [look]}}}}"
    lines = found(tmp_path, text, "A621")
    assert len(lines) == 1
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("model", "tools"),
    [
        ("{name: gpt-6-luna, api: chat_completions, settings: {reasoning: {effort: none}}}", "[look]"),
        ("{name: gpt-6-luna, api: chat_completions}", "[]"),
        ("{name: gpt-6-luna}", "[look]"),
        ("{name: gpt-5.4, api: chat_completions}", "[look]"),
        ("{name: gpt-6.1-sol, api: chat_completions, base_url: 'https://openrouter.ai/api/v1'}", "[look]"),
        ("{name: gpt-5-mini, api: chat_completions}", "[look]"),
    ],
)
def test_functions_that_are_accepted_are_not_remarked_upon(tmp_path: Path, model: str, tools: str) -> None:
    text = f"{FUNCTIONS}models: {{m: {model}}}\nagents: {{a: {{model: m, tools: {tools}}}}}"
    assert found(tmp_path, text, "A621") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agents: {a: {model: gpt-4.1}}", "2:21: warning A626: the model 'gpt-4.1' shuts down on 2027-01-14"),
        (
            "agents: {a: {model: gpt-4.1-nano}}",
            "2:21: error A626: the model 'gpt-4.1-nano' was shut down on 2026-10-23",
        ),
        (
            "models: {m: {name: gpt-5-mini, timeout: 5s}}\nagents: {a: {model: m}}",
            "2:20: warning A626: the model 'gpt-5-mini' shuts down on 2026-12-11 (OpenAI recommends gpt-",
        ),
        (
            "models: {m: {name: x, base_url: 'http://h/v1', fallback: [o3]}}\nagents: {a: {model: m}}",
            "2:59: warning A626: the model 'o3'",
        ),
        (
            "chat: {dictation: {model: whisper-1}}\nagents: {a: {model: gpt-6-luna}}",
            "2:27: warning A626: the model 'whisper-1' shuts down on 2027-02-26 (OpenAI recommends gpt-",
        ),
        ("agents: {a: {model: 'ft:gpt-4.1-mini:acme::x1'}}", "shuts down on 2027-01-14"),
        (
            "tools: {d: {hosted: image_generation, model: gpt-image-1}}\nagents: {a: {model: gpt-6-luna, tools: [d]}}",
            "2:46: error A626: the model 'gpt-image-1' was shut down on 2026-10-23",
        ),
        ("agents: {a: {model: gpt-5.1-chat-latest}}", "error A626"),
    ],
)
def test_a_model_with_a_last_day_is_reported_with_its_replacement(tmp_path: Path, text: str, expected: str) -> None:
    lines = found(tmp_path, text, "A626")
    assert len(lines) == 1
    assert expected in lines[0]


def test_a_last_day_turns_the_warning_into_an_error(tmp_path: Path) -> None:
    text = "agents: {a: {model: gpt-4.1-mini}}"
    severities = {
        day: found(tmp_path, text, "A626", today=day)[0].split()[1] for day in (date(2027, 1, 13), date(2027, 1, 14))
    }
    assert severities == {date(2027, 1, 13): "warning", date(2027, 1, 14): "error"}


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("models: {m: {name: gpt-4.1, base_url: 'http://127.0.0.1:1/v1'}}\nagents: {a: {model: m}}", KEY),
        ("models: {m: {name: gpt-35-turbo, base_url: 'https://x.openai.azure.com/v1'}}\nagents: {a: {model: m}}", KEY),
        ("agents: {a: {model: gpt-4.1}}", {**KEY, "OPENAI_BASE_URL": "https://openrouter.ai/api/v1"}),
        ("models: {m: {litellm: azure/gpt-4.1}}\nagents: {a: {model: m}}", KEY),
        ("agents: {a: {model: gpt-6-luna}}", KEY),
        ("models: {unused: gpt-4, m: gpt-6-luna}\nagents: {a: {model: m}}", KEY),
    ],
)
def test_a_model_that_somebody_else_serves_or_nobody_uses_has_no_last_day(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    assert found(tmp_path, text, "A626", environ) == []


def test_a_stored_prompt_is_reported_before_and_after_its_end(tmp_path: Path) -> None:
    text = "agents: {a: {model: gpt-6-luna, prompt: pmpt_1}}"
    before, after = (found(tmp_path, text, "A627", today=date(2026, 11, day)) for day in (29, 30))
    assert before[0].startswith("2:41: warning A627: OpenAI ends stored prompts on 2026-11-30 (write its text into")
    assert after[0].startswith("2:41: error A627: OpenAI has had no stored prompts since 2026-11-30: every call fails")


def test_a_stored_prompt_of_another_endpoint_is_its_own_affair(tmp_path: Path) -> None:
    text = "models: {m: {name: x, base_url: 'http://h/v1'}}\nagents: {a: {model: m, prompt: pmpt_1}}"
    assert found(tmp_path, text, "A627") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agents: {a: {model: gpt-transcribe}}", "the model 'gpt-transcribe' turns speech into text"),
        ("agents: {a: {model: gpt-image-2}}", "the model 'gpt-image-2' makes images"),
        ("agents: {a: {model: text-embedding-3-small}}", "the model 'text-embedding-3-small' is for another task"),
        (
            "chat: {dictation: {model: gpt-6-luna}}\nagents: {a: {model: gpt-6-luna}}",
            "the model 'gpt-6-luna' answers in text (choose one that turns speech into text, such as",
        ),
    ],
)
def test_a_model_for_another_task_is_reported(tmp_path: Path, text: str, expected: str) -> None:
    lines = found(tmp_path, text, "A628")
    assert len(lines) == 1
    assert expected in lines[0]


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
def test_a_tool_choice_that_names_no_tool_is_reported(tmp_path: Path, agent_keys: str, expected: str) -> None:
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
