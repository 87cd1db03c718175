"""The JSON Schema, and that the models agree with it."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runtime.cli.commands.init import init_project
from runtime.config import shape_errors
from runtime.config.cross_checks import DEPRECATED
from runtime.config.model import Config
from runtime.config.model.types import Section
from runtime.config.schema import SCHEMA_FILE, config_schema, written_schema
from runtime.config.secrets.detect import is_secret_key
from runtime.config.secrets.mask import redact
from runtime.config.shape_errors import build_config, config_validator
from runtime.documents.document import read_yaml
from runtime.documents.variables import interpolate
from tests.config.agents_schema import EXAMPLES, generate_text

CONFIGS = Path(__file__).parent.parent / "configs"
FULL: dict[str, Any] = read_yaml((CONFIGS / "good" / "full.yaml").read_text(encoding="utf-8"), "full.yaml").data


def parts(value: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            if key not in ("examples", "default", "const", "enum"):
                yield from parts(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from parts(item, f"{path}/{index}")


def test_the_schema_files_are_those_of_the_models() -> None:
    files = (SCHEMA_FILE, CONFIGS.parents[1] / "agents.schema.json")
    generated = generate_text()
    for file in files:
        if os.environ.get("UPDATE_EXPECTED"):
            file.write_text(generated, encoding="utf-8")
        assert file.read_text(encoding="utf-8") == generated, f"{file.name} is old (UPDATE_EXPECTED=1 rewrites it)"


def test_the_schema_is_a_schema_of_its_dialect() -> None:
    schema = written_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_every_property_has_a_description() -> None:
    properties = [
        (f"{path}/{name}", item)
        for path, part in parts(config_schema())
        if isinstance(part.get("properties"), dict) and part.get("type") == "object"
        for name, item in part["properties"].items()
    ]
    assert len(properties) > 100
    assert [path for path, item in properties if not item.get("description")] == []
    assert [path for path, item in properties if "\n" in item["description"]] == []


def all_properties() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, part in parts(config_schema()):
        if isinstance(part.get("properties"), dict) and part.get("type") == "object":
            yield from ((f"{path}/{name}", item) for name, item in part["properties"].items())


def speaks_for_itself(part: dict[str, Any]) -> bool:
    """Whether an editor can offer the values without an example: two or a few words, or a section with keys."""
    if "$ref" in json.dumps(part) or part.get("type") == "boolean" or {"enum", "const"} & part.keys():
        return True
    forms = [form for form in part.get("anyOf", []) if form.get("type") != "null"]
    return bool(forms) and all(map(speaks_for_itself, forms))


def test_every_property_that_does_not_speak_for_itself_has_examples_and_they_are_valid() -> None:
    # The sections of a profile have theirs where the file has them.
    every = [(path, part) for path, part in all_properties() if not path.startswith("#/properties/profiles/")]
    asked = [(path, part) for path, part in every if not speaks_for_itself(part)]
    assert len(asked) > 100
    assert [path for path, part in asked if not part.get("examples")] == []
    refused = [
        (path, example)
        for path, part in all_properties()
        for example in part.get("examples", [])
        if not config_validator().evolve(schema=part).is_valid(example)
    ]
    assert refused == []


def test_an_example_belongs_to_a_key_of_the_language() -> None:
    sections: dict[str, type[Section]] = {section.__name__: section for section in _subclasses(Section)}
    for name, examples in EXAMPLES.items():
        fields = {field.alias or key for key, field in sections[name].model_fields.items()}
        assert examples.keys() <= fields, name


def _subclasses(section: type[Section]) -> Iterator[type[Section]]:
    for part in section.__subclasses__():
        yield part
        yield from _subclasses(part)


def test_the_deprecated_keys_of_the_schema_are_those_that_are_reported() -> None:
    marked = {path.rsplit("/", 1)[1] for path, part in all_properties() if part.get("deprecated")}
    assert marked == {field.rpartition(".")[2] for field in DEPRECATED}


def test_every_mapping_of_the_language_is_closed() -> None:
    mappings = [(path, part) for path, part in parts(config_schema()) if isinstance(part.get("properties"), dict)]
    mappings = [(path, part) for path, part in mappings if part.get("type") == "object"]
    assert [path for path, part in mappings if part["additionalProperties"] is not False] == []


def test_the_schema_says_nothing_that_only_pydantic_understands() -> None:
    words = {key for path, part in parts(config_schema()) if "/properties" not in path[-12:] for key in part}
    assert not words & {"discriminator", "gt", "ge", "lt", "le"}


def written_files() -> list[Path]:
    """Every correct agents.yaml of the repository, as it is written."""
    root = CONFIGS.parents[1]
    examples = [file for file in root.glob("examples/**/agents.yaml") if ".chatkit" not in file.parts]
    return sorted([root / "agents.yaml", *examples, *(CONFIGS / "good").glob("*.yaml")])


WRITTEN = written_files()


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_stock_validator_accepts_every_correct_file_as_it_is_written(file: Path) -> None:
    data = read_yaml(file.read_text(encoding="utf-8"), file.name).data
    assert [error.message for error in jsonschema.Draft202012Validator(written_schema()).iter_errors(data)] == []


def test_check_jsonschema_accepts_every_correct_file_and_what_init_writes(tmp_path: Path) -> None:
    init_project(tmp_path / "new", force=False)
    files = [*WRITTEN, tmp_path / "new" / "agents.yaml"]
    check = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA_FILE), *map(str, files)]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nagents: {a: {max_turns: many}}\n", encoding="utf-8")
    assert subprocess.run([*check[:5], str(wrong)], capture_output=True, check=False).returncode == 1


def scalars(part: dict[str, Any]) -> bool:
    return part.get("type") in ("integer", "number", "boolean") or bool({"enum", "pattern"} & part.keys())


def test_every_number_boolean_choice_and_pattern_takes_a_variable_as_it_is_written() -> None:
    schema = written_schema()
    validator = jsonschema.Draft202012Validator(schema)
    strict = {path: part for path, part in parts(config_schema()) if scalars(part)}
    assert len(strict) > 150
    lone = []
    for path, part in parts(schema):
        forms = part.get("anyOf", [])
        if any(scalars(form) for form in forms if "$ref" not in form):
            assert validator.evolve(schema=part).is_valid("${NAME:-x}"), path
        elif scalars(part) and "/anyOf/" not in path and not path.endswith("/Variable"):
            lone.append(path)
    assert lone == []


def both(data: Any) -> tuple[bool, bool]:
    try:
        Config.model_validate(data)
    except ValidationError:
        accepted = False
    else:
        accepted = True
    return accepted, config_validator().is_valid(data)


def paths(value: Any, base: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield base
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*base, key))


PATHS = list(paths(FULL))
KEYS = sorted({str(key) for path in PATHS for key in path} | {"raw", "off", "url", "x-free", "nonsense", "factory"})
SMALL: dict[str, Any] = {"version": 1, "agents": {"a": {"model": "m1"}}}
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    8000,
    10**9,
    10**30,
    "",
    "x",
    "a:b",
    "a.b:c.d",
    "10s",
    "0s",
    "5 s",
]
VALUES += [
    "1KiB",
    "off",
    "memory",
    "sqlite:///x",
    "/x",
    "/",
    "http://x",
    "responses",
    "web_search",
    "NO",
    "no",
    "é:é",
    "\u0661s",
]
VALUES += [
    "a:b\n",
    "10s\n",
    "0.0ms",
    "table",
    "sections",
    [],
    {},
    [1],
    ["x"],
    ["a:b"],
    {"x": 1},
    [{}],
    {"python": "a:b"},
]
VALUES += [
    {"text": "x"},
    {"off": "off"},
    {"widget": "order"},
    {"type": "text", "text": "x"},
    {"model": "m"},
    "9" * 20 + "s",
]


@pytest.mark.parametrize("key", sorted(FULL))
def test_models_and_schema_agree_on_every_section(key: str) -> None:
    disputed = [value for value in VALUES if len(set(both({**SMALL, key: value}))) > 1]
    assert disputed == []


@given(st.sampled_from(PATHS[1:]), st.sampled_from(VALUES))
@settings(max_examples=250)
def test_models_and_schema_agree_on_a_replaced_value(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(FULL)
    target = data
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    accepted, valid = both(data)
    assert accepted == valid


@given(st.sampled_from(PATHS[1:]), st.sampled_from(VALUES))
@settings(max_examples=100)
def test_the_schema_of_the_written_file_accepts_all_that_the_models_accept(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(FULL)
    target = data
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    if both(data)[0]:
        assert jsonschema.Draft202012Validator(written_schema()).is_valid(data)


@given(st.sampled_from(PATHS), st.sampled_from(KEYS), st.sampled_from(VALUES), st.booleans())
@settings(max_examples=250)
def test_models_and_schema_agree_on_an_added_or_removed_key(
    path: tuple[Any, ...], key: str, value: Any, add: bool
) -> None:
    data = copy.deepcopy(FULL)
    target: Any = data
    for step in path:
        target = target[step]
    if isinstance(target, dict):
        if add:
            target[key] = value
        elif target:
            target.pop(sorted(target)[len(key) % len(target)])
    accepted, valid = both(data)
    assert accepted == valid


@given(st.sampled_from(PATHS[1:]), st.sampled_from(VALUES))
@settings(max_examples=150)
def test_every_refusal_is_explained(path: tuple[Any, ...], value: Any) -> None:
    data = copy.deepcopy(FULL)
    target: Any = data
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    filled = interpolate(read_yaml(json.dumps(data), "a.yaml"), {})
    config, diagnostics, _ = build_config(filled)
    assert (config is None) == bool(diagnostics)
    assert all(diagnostic.place.line for diagnostic in diagnostics)
    assert "A199" not in {diagnostic.code for diagnostic in diagnostics}
    assert not any(
        word in diagnostic.message
        for diagnostic in diagnostics
        for word in ("<class", "NoneType", "dict", "Input should")
    )


@pytest.mark.parametrize(("written", "token"), [("", None), ('""', None), ("s3cret", "s3cret"), ("007", "007")])
def test_an_empty_admin_token_counts_as_none(written: str, token: str | None) -> None:
    text = f"version: 1\nagents: {{a: {{model: m}}}}\nadmin: {{token: {written}}}\n"
    config, diagnostics, _ = build_config(interpolate(read_yaml(text, "a.yaml"), {}))
    assert diagnostics == []
    assert config is not None
    assert config.admin.token == token


def test_an_admin_token_that_is_not_set_or_set_to_nothing_counts_as_none() -> None:
    text = 'version: 1\nagents: {a: {model: m}}\nadmin: {token: "${ADMIN_TOKEN:-}"}\n'
    tokens = []
    for environ in ({}, {"ADMIN_TOKEN": ""}, {"ADMIN_TOKEN": "12"}):
        config, diagnostics, _ = build_config(interpolate(read_yaml(text, "a.yaml"), environ))
        assert diagnostics == []
        assert config is not None
        tokens.append(config.admin.token)
    assert tokens == [None, None, "12"]


def test_a_token_is_never_shown() -> None:
    config = Config.model_validate({**SMALL, "admin": {"token": "s3cret"}})
    assert redact(config)["admin"] == {"token": "***"}


def test_a_file_that_says_nothing_of_reloads_gets_the_defaults() -> None:
    config = Config.model_validate(SMALL)
    assert (config.reload.generations, config.reload.at_limit) == (8, "wait")
    assert (config.server.grace, config.admin.token) == (10.0, None)


def test_a_mistake_that_the_schema_does_not_see_is_still_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    accepts_all = jsonschema.Draft202012Validator({})
    monkeypatch.setattr(shape_errors, "config_validator", lambda: accepts_all)
    filled = interpolate(read_yaml("version: 3\n", "a.yaml"), {})
    config, diagnostics, _ = build_config(filled)
    assert config is None
    assert {diagnostic.code for diagnostic in diagnostics} == {"A199"}


def test_one_misspelt_key_among_many_entries_is_reported_alone() -> None:
    agents = "".join(f"  a{index}: {{model: m}}\n" for index in range(50)) + "  b: {modle: m}\n"
    _, diagnostics, _ = build_config(interpolate(read_yaml(f"version: 1\nagents:\n{agents}", "a.yaml"), {}))
    assert [str(diagnostic) for diagnostic in diagnostics] == [
        "a.yaml:53:7: error A101: unknown key 'modle' (did you mean 'model'?) [agents.b.modle]"
    ]


def test_only_keys_for_secrets_have_secret_names() -> None:
    names = {path.rpartition("/")[2] for path, _ in all_properties()}
    secret = {"api_key", "auth", "authorization", "bearer", "env", "extra_headers", "headers", "secret", "token"}
    assert {name for name in names if is_secret_key(name)} == secret
