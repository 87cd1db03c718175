"""Variables in the strings of a file, and what stays secret."""

from typing import Any

import pytest

from runtime.config.interpolate import Interpolation, interpolate, mask_urls, path_text, redact
from runtime.config.mistakes import build_config
from runtime.config.model import Config
from runtime.config.source import read_yaml

ENVIRON = {"NAME": "Ada", "PORT": "8080", "EMPTY": "", "MARKUP": "${NAME} {{ x }}", "_x1": "under"}


def fill(text: str, **kwargs: Any) -> Interpolation:
    return interpolate(read_yaml(text, "a.yaml"), ENVIRON, **kwargs)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "Ada"),
        ("Hello ${NAME}, ${NAME}!", "Hello Ada, Ada!"),
        ("${NOBODY:-you}", "you"),
        ("${NOBODY:-}", ""),
        ("${EMPTY:-x}", ""),
        ("${NAME:-x}", "Ada"),
        ("${_x1}", "under"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME $ {NAME} ${1} ${} ${-x} $5", "$NAME $ {NAME} ${1} ${} ${-x} $5"),
        ("${MARKUP}", "${NAME} {{ x }}"),
        ("${NOBODY:-a:-b}", "a:-b"),
        ("${NOBODY:-http://x/y}", "http://x/y"),
    ],
)
def test_a_string_is_filled_in_once(text: str, value: str) -> None:
    found = fill(f"a: ['{text}']\n")
    assert found.source.data == {"a": [value]}
    assert found.diagnostics == ()


def test_keys_and_other_types_are_left_alone() -> None:
    assert fill("'${NAME}': 5\nb: [true, ~]\n").source.data == {"${NAME}": 5, "b": [True, None]}


def test_an_unset_variable_keeps_its_text_and_is_reported_by_name() -> None:
    found = fill("a: ${NOBODY} and ${NAME} and ${NOBODY} and ${OTHER}\n")
    assert found.source.data == {"a": "${NOBODY} and ${NAME} and ${NOBODY} and ${OTHER}"}
    assert [(d.code, d.severity, d.path) for d in found.diagnostics] == [("A501", "warning", "a")] * 2
    assert found.is_unresolved(("a",))


def test_how_bad_an_unset_variable_is_is_for_the_caller_to_say() -> None:
    assert [d.severity for d in fill("a: ${NOBODY}\n", unset="error").diagnostics] == ["error"]


@pytest.mark.parametrize("text", ["${NAME", "${NAME-x}", "${NAME:?x}", "${NAME }"])
def test_what_begins_like_a_variable_and_is_none_is_an_error(text: str) -> None:
    assert [(d.code, d.severity) for d in fill(f"a: '{text}'\n").diagnostics] == [("A020", "error")]


def test_raw_entries_and_instructions_keep_their_text() -> None:
    found = fill("tools: {t: {raw: true, x: '${NAME}'}}\nagents: {a: {instructions: {raw: true, text: '${NAME}'}}}\n")
    assert found.source.data["tools"]["t"]["x"] == "${NAME}"
    assert found.source.data["agents"]["a"]["instructions"]["text"] == "${NAME}"


def test_raw_means_nothing_in_data_of_the_user() -> None:
    found = fill("widgets: {w: {sample: {raw: true, x: '${NAME}'}}}\nx: {y: {raw: 'true', z: '${NAME}'}}\n")
    assert found.source.data["widgets"]["w"]["sample"]["x"] == "Ada"
    assert found.source.data["x"]["y"]["z"] == "Ada"


def test_an_aliased_string_is_filled_in_at_every_use() -> None:
    assert fill("a: &x ['${NAME}']\nb: *x\n").source.data == {"a": ["Ada"], "b": ["Ada"]}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("agents", "a", "tools", 0), "agents.a.tools[0]"),
        (("actions", "line.select", "python"), 'actions."line.select".python'),
        ((), ""),
        (("a", ""), 'a.""'),
    ],
)
def test_a_path_is_written_as_people_do(path: tuple[str | int, ...], text: str) -> None:
    assert path_text(path) == text


def config(text: str, environ: dict[str, str]) -> Config:
    built, mistakes = build_config(
        interpolate(read_yaml("version: 1\nagents: {a: {model: m}}\n" + text, "a.yaml"), environ)
    )
    assert mistakes == []
    assert built is not None
    return built


def test_a_field_of_another_type_takes_a_variable_and_coerces_it() -> None:
    built = config(
        "server: {port: '${PORT}'}\nchat: {allow_cancel: '${OFF}', greeting: '${PORT}'}\n"
        "limits: {body: '${SIZE}', message: '${PORT}'}\n"
        "models: {m: {name: x, timeout: '${TIME}', settings: {temperature: '${HALF}'}}}\n",
        {"PORT": "81", "OFF": "false", "SIZE": "2KiB", "TIME": "1m", "HALF": ".5"},
    )
    assert built.server.port == 81
    assert built.chat.allow_cancel is False
    assert built.chat.greeting == "81"
    assert (built.limits.body, built.limits.message) == (2048, 81)
    model: Any = built.models["m"]
    assert (model.timeout, model.settings.temperature) == (60, 0.5)


def test_free_data_keeps_what_a_variable_holds_as_text() -> None:
    built = config("widgets: {w: {template: {type: Card}, sample: {n: '${N}', m: 1.10}}}\n", {"N": "5"})
    assert built.widgets["w"].sample == {"n": "5", "m": 1.1}


SECRET = "hunter2"


def test_no_secret_survives_redaction() -> None:
    built = config(
        f"""models:
  m:
    name: x
    api_key: {SECRET}
    headers: {{X-Key: {SECRET}}}
    base_url: "https://me:{SECRET}@host/v1?api-key={SECRET}&x=1"
    settings: {{extra_headers: {{A: {SECRET}}}, extra_body: {{deep: [{{password: {SECRET}}}]}}}}
  n: {{python: a:b, with: {{client_secret: {SECRET}, url: "redis://:{SECRET}@h/0"}}}}
  o: {{any_llm: x/y, api_key: {SECRET}}}
tools: {{t: {{python: a:b, with: {{api_key: {SECRET}, tokens: {{token: {SECRET}}}}}}}}}
store: postgresql://me:{SECRET}@db/x?sslpassword={SECRET}
""",
        {},
    )
    shown = repr(redact(built))
    assert SECRET not in shown
    assert "postgresql://me:***@db/x" in shown
    assert "https://me:***@host/v1?api-key=***&x=1" in shown


def test_redaction_hides_nothing_else() -> None:
    shown = redact(config("store: memory\nchat: {title: off}\nmodels: {m: {name: x, api_key: ''}}\n", {}))
    assert shown["store"] == {"url": "memory"}
    assert shown["models"]["m"]["name"] == "x"
    assert shown["models"]["m"]["api_key"] == ""
    assert shown["version"] == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@ss@h/db", "postgresql://u:***@h/db"),
        ("see http://a:b@c and http://d:e@f", "see http://a:***@c and http://d:***@f"),
        ("http://host:8080/x@y", "http://host:8080/x@y"),
        ("nothing here", "nothing here"),
        ("https://x?access_token=abc#f", "https://x?access_token=***#f"),
    ],
)
def test_passwords_in_addresses_are_masked(text: str, shown: str) -> None:
    assert mask_urls(text) == shown
