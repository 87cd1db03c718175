"""Cross-checks that the files of tests/configs do not cover."""

from pathlib import Path

import pytest

from runtime.config.check_templates import SCOPES
from runtime.config.load import load_config


def reported(folder: Path, text: str) -> list[str]:
    (folder / "agents.yaml").write_text("version: 1\n" + text, encoding="utf-8")
    return [f"{d.code} {d.path}" for d in load_config(folder, environ={"SET": "value"}).diagnostics]


def test_names_from_variables_that_are_not_set_are_not_checked(tmp_path: Path) -> None:
    text = """entry: ${E}
models: {one: x, two: {scripted: "${S}"}}
tools: {idle: "a:b", ask: {agent: "${A}"}, show: {widget: "${W}"}}
agents:
  a: {model: "${M}", tools: ["${T}", ask, show], handoffs: ["${H}"], instructions: {file: "${F}"}}
  b: {model: one}
"""
    assert set(reported(tmp_path, text)) == {
        "A501 entry",
        "A501 models.two.scripted",
        "A501 tools.ask.agent",
        "A501 tools.show.widget",
        "A501 agents.a.model",
        "A501 agents.a.tools[0]",
        "A501 agents.a.handoffs[0]",
        "A501 agents.a.instructions.file",
    }


@pytest.mark.parametrize("model", ["gpt-6.1-terra", "gpt-6-luna", "o3", "llama3.1:8b", "anthropic/claude"])
def test_a_provider_s_model_is_not_a_misspelt_declared_one(tmp_path: Path, model: str) -> None:
    assert reported(tmp_path, f"models: {{gpt-9: x, gpt-8o: y}}\nagents:\n  a: {{model: '{model}'}}\n") == [
        "A222 models.gpt-9",
        "A222 models.gpt-8o",
    ]


def test_the_only_agent_is_the_entry_and_the_title_uses_a_model(tmp_path: Path) -> None:
    assert reported(tmp_path, "models: {t: x}\nchat: {title: {model: t}}\nagents:\n  a: {model: m1}\n") == []


@pytest.mark.parametrize("summary", ["t", "{model: t}"])
def test_the_summary_uses_a_model(tmp_path: Path, summary: str) -> None:
    text = f"models: {{t: x}}\nchat: {{history: {{summary: {summary}}}}}\nagents:\n  a: {{model: m1}}\n"
    assert reported(tmp_path, text) == []


def test_agents_are_reached_through_handoffs_and_through_tools(tmp_path: Path) -> None:
    text = """entry: a
tools: {ask: {agent: c}}
agents:
  a: {model: m1, handoffs: [b]}
  b: {model: m1, tools: [ask]}
  c: {model: m1, handoffs: [{agent: d}]}
  d: {model: m1, handoffs: [a]}
"""
    assert reported(tmp_path, text) == []


def test_raw_instructions_are_no_template(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("{{ nobody", encoding="utf-8")
    text = """entry: a
agents:
  a: {model: m1, instructions: {text: "{{ nobody", raw: true}, handoffs: [b]}
  b: {model: m1, instructions: {file: p.md, raw: true}}
"""
    assert reported(tmp_path, text) == []


def test_a_template_from_a_variable_is_checked_where_the_variable_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROMPT='Hello {{ usr }}'\n", encoding="utf-8")
    (tmp_path / "agents.yaml").write_text(
        'version: 1\nagents:\n  a: {model: m1, instructions: "${PROMPT}"}\n', encoding="utf-8"
    )
    problem = load_config(tmp_path, environ={}).diagnostics[0]
    assert (problem.code, str(problem.place)) == ("A241", "agents.yaml:3:32")


def test_data_of_a_widget_that_may_have_more_keys_knows_every_name(tmp_path: Path) -> None:
    text = """widgets:
  open: {template: {type: Text, value: "{{ more }}"}, data: {type: object, properties: {id: {}}}}
  none: {template: {type: Text, value: "{{ more }}"}}
agents:
  a: {model: m1}
"""
    assert reported(tmp_path, text) == []


def test_agents_in_several_circles_are_each_reported_once(tmp_path: Path) -> None:
    text = """entry: a
tools: {to_a: {agent: a}, to_b: {agent: b}, to_c: {agent: c}}
agents:
  a: {model: m1, tools: [to_b, to_c]}
  b: {model: m1, tools: [to_a]}
  c: {model: m1, tools: [to_c]}
"""
    assert reported(tmp_path, text) == ["A214 agents.b.tools[0]", "A214 agents.c.tools[0]"]


def test_every_scope_offers_the_names_of_a_turn() -> None:
    turn = {"user", "locale", "thread", "context", "state", "now"}
    assert all(turn <= names for names in SCOPES.values())


@pytest.mark.parametrize(
    ("servers", "tools", "count"),
    [
        ("files: {command: f, tools: [search]}, wiki: {command: w, tools: [search]}", "[files.*, wiki.*]", 1),
        ("files: {command: f}, wiki: {command: w}", "[files.search, wiki.search]", 1),
        ("files: {command: f, tools: [a.b, a/b]}", "[files.*]", 1),
        ("files: {command: f}", "[search, files.search]", 1),
        (
            "files: {command: f, tools: [search]}, wiki: {command: w, tools: [search], prefix: w_}",
            "[files.*, wiki.*]",
            0,
        ),
        ("files: {command: f, tools: [search], exclude: [search]}, wiki: {command: w}", "[files.*, wiki.search]", 0),
    ],
)
def test_tools_of_the_same_name_on_two_servers_are_reported(
    tmp_path: Path, servers: str, tools: str, count: int
) -> None:
    text = f"tools: {{search: {{client: s}}}}\nmcp: {{{servers}}}\nagents:\n  a: {{model: m, tools: {tools}}}\n"
    assert [each.split()[0] for each in reported(tmp_path, text)].count("A209") == count


@pytest.mark.parametrize(
    ("store", "diagnostics"),
    [
        ("{url: memory, timeout: 3s, connections: 2}", ["A275 store.timeout", "A275 store.connections"]),
        ("{url: 'sqlite:///t.db', timeout: 3s}", ["A275 store.timeout"]),
        ("{url: '${DATABASE_URL:-memory}', timeout: 3s}", []),
        ("{url: 'postgres://db/chat', timeout: 3s, connections: 2}", []),
        ("{url: memory, keep: 3d}", []),
        ("memory", []),
        ("{url: memory, connections: 0}", ["A108 store.connections"]),
        ("{url: 'postgres://db/chat', timeout: 0s}", ["A105 store.timeout"]),
    ],
)
def test_the_limits_of_a_store_are_those_of_postgresql(tmp_path: Path, store: str, diagnostics: list[str]) -> None:
    assert reported(tmp_path, f"store: {store}\nagents: {{a: {{model: m}}}}\n") == diagnostics


@pytest.mark.parametrize(
    ("auth", "page", "diagnostics"),
    [
        ("none", "true", []),
        ("{python: 'app:user'}", "false", []),
        ("{python: 'app:user'}", "true", ["A274 server.page"]),
        ("{python: 'app:user'}", "{return_parameter: rd}", ["A274 server.page"]),
        ("{python: 'app:user'}", "{login: '/login?next=1'}", []),
        ("{python: 'app:user'}", "{login: 'https://id.example.com/start'}", []),
        ("{python: 'app:user'}", "{login: 'http://localhost:9000/start'}", []),
        ("{python: 'app:user'}", "{login: 'http://id.example.com/start'}", ["A271 server.page.login"]),
        ("{python: 'app:user'}", "{login: '//id.example.com'}", ["A105 server.page.login"]),
        ("{python: 'app:user'}", "{login: '/\\id.example.com'}", ["A105 server.page.login"]),
        ("{python: 'app:user'}", "{login: 'https://ada@id.example.com'}", ["A105 server.page.login"]),
        ("{python: 'app:user'}", "{login: 'javascript:alert(1)'}", ["A105 server.page.login"]),
        ("{python: 'app:user'}", "{login: /login, return_parameter: 'a&b'}", ["A105 server.page.return_parameter"]),
        ("none", "{login: /login}", ["A274 server.page.login"]),
    ],
)
def test_the_login_of_the_chat_page_leads_to_a_safe_address(
    tmp_path: Path, auth: str, page: str, diagnostics: list[str]
) -> None:
    text = f"agents: {{a: {{model: m, instructions: Help.}}}}\nauth: {auth}\nserver: {{page: {page}}}\n"
    assert reported(tmp_path, text) == diagnostics
