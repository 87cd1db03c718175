"""OpenAPI documents as `validate` sees them: their diagnostics, for which nothing is fetched."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

ENTRY = "{openapi: spec.yaml, base_url: 'https://pets.example.com'}"


def spec(version: str = "3.1.0", **operation: Any) -> dict[str, Any]:
    responses = {"200": {"description": "Fine."}}
    made = {"operationId": "getPet", "responses": responses, **operation}
    return {"openapi": version, "info": {"title": "Pets", "version": "1"}, "paths": {"/pet": {"get": made}}}


def said(
    folder: Path, document: Any, tools: str = f"pets: {ENTRY}", references: str = "pets", more: str = ""
) -> list[str]:
    (folder / "spec.yaml").write_text(document if isinstance(document, str) else json.dumps(document))
    (folder / "script.yaml").write_text("otherwise: Hello.\n")
    (folder / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {scripted: script.yaml}}\n"
        f"tools: {{{tools}}}\nagents: {{keeper: {{instructions: Help., tools: [{references}]}}}}\n{more}"
    )
    return [f"{each.severity} {each.code}: {each.message}" for each in check_project(load_config(folder, environ={}))]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.2.0"])
def test_each_version_is_held_against_its_own_rules(tmp_path: Path, version: str) -> None:
    assert said(tmp_path, spec(version)) == []
    [wrong] = said(tmp_path, spec(version) | {"info": {"title": "Pets"}})
    assert "A264: 'version' is a required property" in wrong


def test_the_keys_of_responses_need_no_quotes(tmp_path: Path) -> None:
    text = "openapi: 3.1.0\ninfo: {title: Pets, version: '1'}\npaths:\n  /pet:\n    get:\n      responses:\n"
    assert said(tmp_path, f"{text}        200: {{description: Fine.}}\n") == []
    assert "error A012: the key '200' is written twice" in said(
        tmp_path, f"{text}        200: {{}}\n        200: {{}}\n"
    )


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.2.0"])
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/pet.json"},
        {"$ref": "https://127.0.0.1:9/pet.json"},
        {"$ref": "ftp://127.0.0.1:9/pet.json"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "../outside.json"},
        {"$id": "http://127.0.0.1:9/", "properties": {"a": {"$ref": "pet.json"}}},
        {"$id": "http://127.0.0.1:9/", "$ref": "#/pet"},
    ],
    ids=str,
)
def test_nothing_outside_of_the_document_is_read(tmp_path: Path, schema: dict[str, Any], version: str) -> None:
    content = {"application/json": {"schema": schema}}
    document = spec(version, responses={"200": {"description": "Fine.", "content": content}})
    said(tmp_path, document)  # importing the library binds a socket of its own
    events: list[str] | None = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        outside = event == "open" and str(arguments[0]).endswith(("hostname", "outside.json"))
        if events is not None and (event.startswith("socket.") or outside):
            events.append(event)

    sys.addaudithook(note)
    found = said(tmp_path, document)
    reached, events = events, None
    assert reached == []
    assert found


@pytest.mark.parametrize(
    "paths",
    [
        {"/pet": {"get": {"parameters": {"x": 1}}}},
        {"/pet": {"get": {"operationId": 7, "parameters": [3]}}},
        {"/pet": {"get": {"summary": ["x"], "responses": 3}}},
    ],
    ids=str,
)
def test_a_broken_document_breaks_no_check(tmp_path: Path, paths: dict[str, Any]) -> None:
    assert any("A264" in each for each in said(tmp_path, {"openapi": "3.1.0", "info": 1, "paths": paths}))


def test_a_server_whose_variables_are_none_breaks_no_check(tmp_path: Path) -> None:
    servers = [{"url": "https://{host}/", "variables": {"host": "x"}}]
    [wrong] = said(tmp_path, {**spec(), "servers": servers})
    assert "A264" in wrong


@pytest.mark.parametrize(
    ("tools", "references"),
    [
        (f"pets: {ENTRY}, dogs: {ENTRY}", "pets, dogs"),
        (f"pets: {ENTRY}, getPet: {{effect: x}}", "getPet, pets.*"),
    ],
)
def test_two_tools_of_one_name_are_refused(tmp_path: Path, tools: str, references: str) -> None:
    [wrong] = said(tmp_path, spec(), tools, references)
    assert wrong.startswith("error A209: ")
    assert "have the same tool name 'getPet'" in wrong


def test_an_operation_that_is_named_twice_is_one_tool(tmp_path: Path) -> None:
    assert said(tmp_path, spec(), references="pets, pets.getPet") == []


def test_a_name_that_is_too_long_with_its_prefix_is_refused(tmp_path: Path) -> None:
    tools = "pets: {openapi: spec.yaml, base_url: 'https://pets.example.com', prefix: pets_}"
    [wrong] = said(tmp_path, spec(operationId="x" * 60), tools)
    assert wrong == f"error A215: 'pets_{'x' * 60}' is too long for a tool name"


@pytest.mark.parametrize("tool", ["pets", "'pets.*'"])
def test_the_composer_offers_no_entry_as_a_whole(tmp_path: Path, tool: str) -> None:
    more = f"chat: {{composer: {{tools: [{{id: a, label: A, icon: cube, tool: {tool}}}]}}}}\n"
    [wrong] = said(tmp_path, spec(), more=more)
    assert wrong.startswith("error A225")
