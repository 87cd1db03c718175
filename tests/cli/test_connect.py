"""`validate --connect`: the store is opened, and the endpoint of every model is asked whether it knows the model."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.build_process.check import check_build
from runtime.cli.uvicorn_server import app_in_background
from runtime.config.load import load_config
from runtime.server.preflight import ANSWER_S, try_connections
from runtime.server.runtime import load
from runtime.testing import OpenAIStub

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, modules_as_before: None) -> Write:
    def project(models: Mapping[str, Any], **more: Any) -> Path:
        agents = {name: {"model": name, "instructions": "Help."} for name in models}
        declared = {"version": 1, "store": "memory", "models": models, "agents": agents, **more}
        declared.setdefault("entry", next(iter(agents)))
        (tmp_path / "agents.yaml").write_text(json.dumps(declared, indent=1))
        (tmp_path / "script.yaml").write_text("otherwise: hi\n")
        return tmp_path

    return project


async def tried(
    project: Path,
    environ: Mapping[str, str] | None = None,
    *,
    answer_s: float = ANSWER_S,
    today: date = date(2026, 11, 28),
) -> list[str]:
    runtime = load(project, environ=environ or {})
    found = await try_connections(runtime, answer_s=answer_s, today=today)
    assert runtime.generation.closed
    return [
        f"{each.severity} {each.code} {each.path}: {each.message}" + f" ({each.hint})" * bool(each.hint)
        for each in found
    ]


@contextmanager
def endpoint(status: int, body: bytes) -> Iterator[str]:
    """An endpoint that answers every request with this; gives its address."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with app_in_background(app) as base:
        yield f"{base}/v1"


async def test_an_endpoint_that_lists_the_model_is_right_and_is_asked_once_with_key_and_headers(write: Write) -> None:
    async with OpenAIStub({"otherwise": "hi"}, api_key="right") as stub:
        model = {"name": "scripted", "base_url": stub.base_url, "api_key": "right", "headers": {"x-team": "shop"}}
        assert await tried(write({"one": model, "two": {**model, "api": "chat_completions"}})) == []
        (request,) = stub.requests
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer right", "shop")


async def test_a_model_that_is_not_listed_is_a_warning_with_the_one_that_was_meant(write: Write) -> None:
    async with OpenAIStub({"otherwise": "hi"}) as stub:
        near, far = ({"name": name, "base_url": stub.base_url, "api_key": "none"} for name in ("scriptd", "gpt-6-luna"))
        found = await tried(write({"near": near, "far": far}))
    assert found == [
        "warning A630 models.near.name: the endpoint does not list a model 'scriptd' (did you mean 'scripted'?)",
        "warning A630 models.far.name: the endpoint does not list a model 'gpt-6-luna' (it lists 1 other)",
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            '"2026-12-24"',
            "warning A626 models.one.name: the model 'house-3' shuts down on 2026-12-24 "
            "(choose another model; its endpoint says so)",
        ),
        ('"2026-11-28T00:00:00Z"', "error A626 models.one.name: the model 'house-3' was shut down on 2026-11-28"),
        ("null", ""),
        ('"soon"', ""),
        ("7", ""),
    ],
)
async def test_the_last_day_that_an_endpoint_sends_is_passed_on(write: Write, told: str, said: str) -> None:
    body = f'{{"data": [{{"id": "house-3", "shutdown_date": {told}}}, {{"id": "house-4"}}]}}'
    with endpoint(200, body.encode()) as url:
        found = await tried(write({"one": {"name": "house-3", "base_url": url, "api_key": "none"}}))
    assert len(found) == bool(said)
    assert "".join(found).startswith(said)


async def test_a_key_that_is_refused_is_an_error_and_is_not_shown(write: Write) -> None:
    async with OpenAIStub({"otherwise": "hi"}, api_key="right") as stub:
        model = {"name": "scripted", "base_url": stub.base_url}
        (found,) = await tried(write({"one": model}), {"OPENAI_API_KEY": "sk-secret-and-wrong"})
        assert found == (
            f"error A630 models.one: {stub.base_url} refuses the key (401) (is it the right key for this endpoint?)"
        )


ANSWERS = {
    "a key without that right": (403, b"{}", "warning", "does not allow this key to list the models (403)"),
    "no such route": (404, b"", "note", "can be reached, but does not list its models"),
    "no JSON": (200, b"<html>", "note", "can be reached, but does not list its models"),
    "another form": (200, b'{"models": []}', "note", "can be reached, but does not list its models"),
    "overload": (503, b"", "warning", "answered 503 when its models were requested"),
}


@pytest.mark.parametrize(("status", "body", "severity", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_each_other_answer_of_an_endpoint_has_its_message(
    write: Write, status: int, body: bytes, severity: str, said: str
) -> None:
    with endpoint(status, body) as url:
        (found,) = await tried(write({"one": {"name": "x", "base_url": url, "api_key": "none"}}))
    assert found.startswith(f"{severity} A630 models.one")
    assert f": {url} {said}" in found


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [{"id": "llama3:latest"}, {"no": "id"}, 7]}',
        b'[{"id": "vendor/llama3"}]',
        b'{"object": "list", "data": [{"id": "models/llama3"}]}',
    ],
)
async def test_lists_in_the_forms_that_are_about_are_read(write: Write, body: bytes) -> None:
    with endpoint(200, body) as url:
        assert await tried(write({"one": {"name": "llama3", "base_url": url, "api_key": "none"}})) == []


async def test_an_endpoint_that_is_not_there_is_one_mistake_and_its_password_is_not_shown(write: Write) -> None:
    model = {"name": "x", "base_url": "http://ann:hunter2@127.0.0.1:9/v1", "api_key": "none"}
    assert await tried(write({"one": model, "two": model})) == [
        "error A630 models.one.base_url: http://127.0.0.1:9/v1 can't be reached: connection refused "
        "(is it running, and is its address right?)"
    ]


async def test_an_endpoint_that_does_not_answer_is_an_error(write: Write) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive())["type"] != "http.disconnect":
                continue

    with app_in_background(app) as base:
        (found,) = await tried(
            write({"one": {"name": "x", "base_url": f"{base}/v1", "api_key": "none"}}), answer_s=0.05
        )
    assert "did not answer within 0.05 s" in found


async def test_scripts_are_not_asked_and_of_other_models_it_is_said_that_they_were_not(write: Write) -> None:
    own = "from tests.conversations.playing import Player\n\ndef make():\n    return Player()\n"
    project = write({"one": {"scripted": "script.yaml"}, "two": {"python": "own_model:make"}})
    (project / "own_model.py").write_text(own)
    assert await tried(project) == [
        "note A630 models.two: the endpoint of model 'two' is not checked: "
        "only OpenAI-compatible ones can list their models"
    ]


async def test_a_store_that_can_not_be_opened_is_an_error_beside_those_of_the_endpoints(write: Write) -> None:
    model = {"name": "x", "base_url": "http://127.0.0.1:9/v1", "api_key": "none"}
    found = await tried(write({"one": model}, store="sqlite:///."))
    assert [each.split(":")[0] for each in found] == ["error A610 store", "error A630 models.one.base_url"]


async def test_a_route_whose_lifespan_raises_is_an_error_at_its_line(write: Write) -> None:
    project = write({"one": {"scripted": "script.yaml"}}, routes=["own_api:router"])
    (project / "own_api.py").write_text(
        "from contextlib import asynccontextmanager\nfrom fastapi import APIRouter\n\n@asynccontextmanager\n"
        "async def lifespan(app):\n    raise OSError('no queue')\n    yield\n\nrouter = APIRouter(lifespan=lifespan)\n"
    )
    runtime = load(project, environ={})
    (found,) = await try_connections(runtime)
    assert str(found) == "own_api.py:6:5: error A610: the project can't be opened: OSError: no queue [routes]"


def test_a_store_is_opened_and_closed_only_with_connect(write: Write) -> None:
    project = write({"one": {"scripted": "script.yaml"}}, store="sqlite:///threads.db")
    for connect in (False, True):
        assert check_build(project, load_config(project), timeout_s=100, connect=connect) == []
        assert (project / "threads.db").exists() is connect


async def test_the_child_asks_as_well(write: Write) -> None:
    async with OpenAIStub({"otherwise": "hi"}) as stub:
        project = write({"one": {"name": "other", "base_url": stub.base_url, "api_key": "none"}})
        (found,) = check_build(project, load_config(project), timeout_s=100, connect=True)
    assert (found.code, found.severity, found.place.file) == ("A630", "warning", "agents.yaml")


PETS = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {"/pets": {"get": {"operationId": "listPets", "responses": {"200": {"description": "All"}}}}},
}


@pytest.fixture
def with_pets(write: Write) -> Callable[..., Path]:
    def project(**entry: Any) -> Path:
        folder = write(SCRIPTED, tools={"pets": {"openapi": "pets.json", **entry}})
        (folder / "pets.json").write_text(json.dumps(PETS))
        return folder

    return project


AGENTS = {"helper": {"model": "helper", "instructions": "Help.", "tools": ["files.*"]}}
SCRIPTED = {"helper": {"scripted": "script.yaml"}}


@pytest.mark.parametrize(("status", "found"), [(200, 0), (401, 0), (404, 0), (503, 1)])
async def test_a_service_is_called_once_and_any_answer_below_500_is_right(
    with_pets: Callable[..., Path], status: int, found: int
) -> None:
    with endpoint(status, b"") as base:
        said = await tried(with_pets(base_url=base))
    assert len(said) == found
    assert all(f"warning A632 tools.pets.base_url: the service at {base} answers {status}" in each for each in said)


async def test_a_service_that_nobody_serves_is_an_error_at_the_address_or_at_the_document(
    with_pets: Callable[..., Path],
) -> None:
    (said,) = await tried(with_pets())
    assert said.startswith(
        "error A632 tools.pets.openapi: the service at http://127.0.0.1:9 can't be reached: connection refused"
    )
    (said,) = await tried(with_pets(base_url="http://127.0.0.1:9/v2"))
    assert said.startswith("error A632 tools.pets.base_url: the service at http://127.0.0.1:9/v2")


def _jwt(url: str) -> dict[str, Any]:
    return {"jwt": {"jwks_url": url, "issuer": "https://login.example.com/", "audience": "desk"}}


KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


async def test_the_keys_of_logins_are_fetched(write: Write) -> None:
    with endpoint(200, json.dumps({"keys": [KEY]}).encode()) as base:
        assert await tried(write(SCRIPTED, auth=_jwt(base))) == []


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "it answered with status 404"),
        (200, b"<html>", "JSONDecodeError: "),
        (200, b'{"keys": []}', "the JWKS has no key for signatures"),
        (200, json.dumps({"keys": [{**KEY, "use": "enc"}]}).encode(), "the JWKS has no key for signatures"),
    ],
)
async def test_keys_of_logins_that_can_not_be_fetched_are_a_warning_with_the_reason(
    write: Write, status: int, body: bytes, reason: str
) -> None:
    with endpoint(status, body) as base:
        (said,) = await tried(write(SCRIPTED, auth=_jwt(base)))
    assert said.startswith(f"warning A633 auth.jwt.jwks_url: the keys of logins can't be fetched: {base}: {reason}")
    assert said.endswith("(until they can, every request gets a 503)")


async def test_keys_of_logins_that_do_not_arrive_are_waited_for_no_longer_than_an_answer(write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"
        (said,) = await tried(write(SCRIPTED, auth=_jwt(url)), answer_s=0.1)
    assert said.startswith(f"warning A633 auth.jwt.jwks_url: the keys of logins can't be fetched: {url}: ")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere_at_all", "ended with exit code 1: "),
        (
            "import sys; print('the database is down', file=sys.stderr); sys.exit(7)",
            "exit code 7: the database is down",
        ),
        ("import sys; sys.exit(3)", "ended with exit code 3, and printed nothing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was ended by signal 15"),
    ],
)
async def test_an_mcp_program_that_ends_is_reported_with_its_exit_code_and_its_last_words(
    write: Write, code: str, said: str
) -> None:
    server = {"command": sys.executable, "args": ["-c", code], "connect_timeout": "180s"}
    project = write(SCRIPTED, agents=AGENTS, mcp={"files": server})
    (found,) = await tried(project)
    assert found.startswith("error A631 mcp.files.command: the MCP server 'files' can't be reached: the program ")
    assert said in found


async def test_a_program_that_is_not_installed_is_named(write: Write) -> None:
    (found,) = await tried(write(SCRIPTED, agents=AGENTS, mcp={"files": {"command": "no-such-program-here"}}))
    assert "'no-such-program-here' can't be started: no such file or directory" in found


async def test_the_last_words_of_a_program_contain_no_secret(write: Write) -> None:
    code = "import os, sys; print('refused', os.environ['API_TOKEN'] * 40, file=sys.stderr); sys.exit(1)"
    server = {"command": sys.executable, "args": ["-c", code], "env": {"API_TOKEN": "${TOKEN}"}}
    (found,) = await tried(write(SCRIPTED, agents=AGENTS, mcp={"files": server}), {"TOKEN": "hunter2-and-more"})
    assert "exit code 1" in found
    assert "hunter2" not in found
    assert "and-more" not in found
