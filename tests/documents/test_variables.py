"""Variables in the strings of a file."""

from typing import Any

import pytest

from runtime.config.model import Config
from runtime.config.shape_errors import build_config
from runtime.diagnostics.key_path import path_text
from runtime.documents.document import read_yaml
from runtime.documents.variables import Interpolation, interpolate

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
    built, mistakes, _ = build_config(
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
