"""Dry runs of a start: build the project (`validate --import`) and try its connections (`validate --connect`)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import httpx
import openai
from mcp.types import Tool as McpTool
from openai import AsyncOpenAI

from runtime.assemble.mcp import ServerView
from runtime.assemble.mcp_connections import McpConnection, McpUnavailable
from runtime.assemble.mcp_programs import end_of_program
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.config.known_models import describe_shutdown, known_model
from runtime.config.model.auth import JwtAuth
from runtime.config.model.mcp import HttpMcpServer, StdioMcpServer
from runtime.config.model.models import OpenAIModel
from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_documents import read_openapi
from runtime.config.references import ALL, split_reference
from runtime.config.secrets.mask import mask
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import nearest, suggest
from runtime.errors import ConfigError, RuntimeFault
from runtime.project_code.import_errors import raised_at
from runtime.server.app import build_app
from runtime.server.generations.project_source import ProjectSource
from runtime.server.runtime import Runtime, build_runtime
from runtime.server.settings import DEFAULT_SETTINGS
from runtime.stores.store import StoreError

ANSWER_S = 10.0
_CLOSING_S = 1.0
_UNREACHABLE_HINT = "is it running, and is its address right?"


def try_build(source: ProjectSource) -> tuple[Sequence[Diagnostic], Runtime | None]:
    """Build a project; return its diagnostics, and the runtime, or None where it can't be built."""
    diagnostics = source.loaded.diagnostics
    if source.loaded.config is None:
        return diagnostics, None
    try:
        # A check needs no keys: CI has none.
        runtime = build_runtime(source, None, replace(DEFAULT_SETTINGS, offline=True))
        build_app(runtime)
    except ConfigError as error:
        return [*diagnostics, *error.diagnostics], None
    except BaseException as error:
        # Not only Exception: a SystemExit, for example, would end `serve` as well.
        path: KeyPath = ("store",) if isinstance(error, StoreError) else ()
        return [*diagnostics, explain_failure("the project can't be built", error, source, path)], None
    return diagnostics, runtime


def explain_failure(what: str, error: BaseException, source: ProjectSource, path: KeyPath) -> Diagnostic:
    """Return the diagnostic of an exception: at the line of the project that raised it, else at `path`."""
    text = str(error) if isinstance(error, RuntimeFault) else f"{type(error).__name__}: {error}"
    place, length = raised_at(error, source.code)
    if not place.file:
        places = source.loaded.places
        path = places.written(path)
        place, length = (places.value(path), places.length(path)) if path else (Place(places.file), 1)
    return Diagnostic("A610", f"{what}: {text}", place, path=path_text(path), length=length)


async def try_connections(
    runtime: Runtime, *, answer_s: float = ANSWER_S, today: date | None = None
) -> list[Diagnostic]:
    """Open what serving opens, call what it needs, and close everything; return the diagnostics.

    A model endpoint has `answer_s` seconds to list its models, and a service to answer. `today` is the day, in UTC, by
    which a model is shut down or will be; by default that of the clock.
    """
    today = today or datetime.now(UTC).date()
    try:
        results = await asyncio.gather(
            _open(runtime),
            _check_models(runtime, answer_s, today),
            _check_mcp_servers(runtime, answer_s),
            _check_services(runtime, answer_s),
            _check_login_keys(runtime, answer_s),
        )
    finally:
        await runtime.close(grace_s=_CLOSING_S)
    return [diagnostic for diagnostics in results for diagnostic in diagnostics]


async def _open(runtime: Runtime) -> list[Diagnostic]:
    try:
        await runtime.open()
    except Exception as error:
        path: KeyPath = ("store",) if isinstance(error, StoreError) or not runtime.config.routes else ("routes",)
        return [explain_failure("the project can't be opened", error, runtime.generation.source, path)]
    return []


def _diagnostic(
    runtime: Runtime, code: str, path: KeyPath, message: str, hint: str = "", severity: Severity = "error"
) -> Diagnostic:
    places = runtime.generation.source.loaded.places
    path = places.written(path)
    place, length = places.value(path), places.length(path)
    return Diagnostic(code, message, place, severity, hint=hint, path=path_text(path), length=length)


@dataclass(frozen=True, slots=True)
class _UsedModel:
    """A model with an endpoint: its key in the file, its name there, and where it is declared, or used."""

    key: str
    name: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class _EndpointFault:
    """Why an endpoint did not list its models; `key` is the part of the model's entry that may be wrong."""

    message: str
    hint: str = ""
    severity: Severity = "error"
    key: str = ""


@dataclass(frozen=True, slots=True)
class _ListedModel:
    """A model in an endpoint's list, with the day of its shutdown if the endpoint has one."""

    name: str
    shutdown: date | None


async def _check_models(runtime: Runtime, answer_s: float, today: date) -> list[Diagnostic]:
    """Check that the endpoint of each used model lists it, and until when; each endpoint is called once."""
    clients: dict[int, tuple[AsyncOpenAI, list[_UsedModel]]] = {}
    diagnostics: list[Diagnostic] = []
    for key, built in runtime.generation.snapshot.models.built.items():
        entry = runtime.config.models.get(key)
        model = _UsedModel(key, entry.name if isinstance(entry, OpenAIModel) else key, _path_of(key, runtime))
        if built.client is not None:
            clients.setdefault(id(built.client), (built.client, []))[1].append(model)
        elif not isinstance(built.model, ScriptedConversation):
            message = f"the endpoint of model {key!r} is not checked: only OpenAI-compatible ones can list their models"
            diagnostics.append(_diagnostic(runtime, "A630", model.path, message, severity="note"))
    answers = await asyncio.gather(*(_list_models(client, answer_s) for client, _ in clients.values()))
    for (_, models), answer in zip(clients.values(), answers, strict=True):
        diagnostics += _check_listed(runtime, models, answer, today)
    return diagnostics


def _check_listed(
    runtime: Runtime, models: Sequence[_UsedModel], answer: Sequence[_ListedModel] | _EndpointFault, today: date
) -> list[Diagnostic]:
    if isinstance(answer, _EndpointFault):
        # One endpoint is one mistake, however many models it has.
        return [_endpoint_diagnostic(runtime, models[0], answer)]
    diagnostics = []
    for model in models:
        listed = next((each for each in answer if _is_same(model.name, each.name)), None)
        if listed is None:
            names = [each.name for each in answer]
            diagnostics.append(_endpoint_diagnostic(runtime, model, _unlisted(model, names)))
        elif listed.shutdown is not None:
            known = known_model(model.name)
            replacement = known.replacement if known is not None else ""
            severity, message, hint = describe_shutdown(model.name, listed.shutdown, replacement, today)
            path = (*model.path, "name")
            diagnostics.append(_diagnostic(runtime, "A626", path, message, f"{hint}; its endpoint says so", severity))
    return diagnostics


def _endpoint_diagnostic(runtime: Runtime, model: _UsedModel, fault: _EndpointFault) -> Diagnostic:
    path = (*model.path, fault.key) if fault.key else model.path
    return _diagnostic(runtime, "A630", path, fault.message, fault.hint, fault.severity)


def _unlisted(model: _UsedModel, listed: Sequence[str]) -> _EndpointFault:
    near = nearest(model.name, listed)
    others = f"it lists {len(listed)} other{'' if len(listed) == 1 else 's'}"
    hint = f"did you mean {near!r}?" if near else others
    return _EndpointFault(f"the endpoint does not list a model {model.name!r}", hint, "warning", "name")


def _is_same(name: str, listed: str) -> bool:
    """Return whether a listed name is this one: Ollama adds `:latest`, Google the prefix `models/`."""
    return listed == name or listed == f"{name}:latest" or listed.endswith(f"/{name}")


async def _list_models(client: AsyncOpenAI, answer_s: float) -> Sequence[_ListedModel] | _EndpointFault:
    address = _address_of(client)
    try:
        async with asyncio.timeout(answer_s):
            # The raw body, since some endpoints answer in a form that the SDK does not parse.
            response = await client.with_options(max_retries=0).models.with_raw_response.list()
            body = json.loads(response.http_response.content)
    except (TimeoutError, openai.APITimeoutError):
        return _EndpointFault(f"{address} did not answer within {answer_s:g} s", _UNREACHABLE_HINT, key="base_url")
    except openai.APIStatusError as error:
        return _refused(address, error.status_code)
    except openai.APIConnectionError as error:
        return _EndpointFault(f"{address} can't be reached: {_reason(error)}", _UNREACHABLE_HINT, key="base_url")
    except ValueError:
        return _no_list(address)
    listed = body.get("data") if isinstance(body, Mapping) else body
    if not isinstance(listed, list):
        return _no_list(address)
    entries = [entry for entry in listed if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]
    return [_ListedModel(entry["id"], _day(entry.get("shutdown_date"))) for entry in entries]


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None


def _refused(address: str, status: int) -> _EndpointFault:
    if status == 401:
        return _EndpointFault(
            f"{address} refuses the key (401)", "is it the right key for this endpoint?", key="api_key"
        )
    if status == 403:
        hint = "a restricted key may still be able to run the model"
        return _EndpointFault(f"{address} does not allow this key to list the models (403)", hint, "warning", "api_key")
    if status in (404, 405, 501):
        return _no_list(address)
    return _EndpointFault(f"{address} answered {status} when its models were requested", severity="warning")


def _no_list(address: str) -> _EndpointFault:
    return _EndpointFault(
        f"{address} can be reached, but does not list its models: the name is not checked", severity="note"
    )


def _reason(error: BaseException) -> str:
    """Return the text of the innermost cause, which is more precise than "Connection error."."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno).lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _address_of(client: AsyncOpenAI) -> str:
    """Return the endpoint's address without the password that it may contain."""
    url = client.base_url
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{url.host}{port}{url.path}".rstrip("/")


def _path_of(key: str, runtime: Runtime) -> KeyPath:
    if key in runtime.config.models:
        return ("models", key)
    users = (("agents", name, "model") for name, agent in runtime.config.agents.items() if agent.model == key)
    return next(users, ("chat", "title", "model"))


async def _check_services(runtime: Runtime, answer_s: float) -> list[Diagnostic]:
    """Check that the services answer whose operations are tools; each address is called once, without headers."""
    services: dict[str, KeyPath] = {}
    for name, entry in runtime.config.tools.items():
        if isinstance(entry, OpenApiTool):
            spec = read_openapi(runtime.generation.source.loaded.files, entry.openapi)
            address = entry.base_url or ("" if isinstance(spec, Diagnostic) else spec.server)
            services.setdefault(address or "", ("tools", name, "base_url" if entry.base_url else "openapi"))
    services.pop("", None)
    answers = await asyncio.gather(*(_service_fault(address, answer_s) for address in services))
    return [
        _diagnostic(runtime, "A632", path, fault.message, fault.hint, fault.severity)
        for path, fault in zip(services.values(), answers, strict=True)
        if fault is not None
    ]


async def _service_fault(address: str, answer_s: float) -> _EndpointFault | None:
    shown = mask(address)
    try:
        async with asyncio.timeout(answer_s), httpx.AsyncClient(timeout=answer_s, follow_redirects=False) as client:
            response = await client.get(address)
    except (TimeoutError, httpx.TimeoutException):
        return _EndpointFault(f"the service at {shown} did not answer within {answer_s:g} s", _UNREACHABLE_HINT)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return _EndpointFault(f"the service at {shown} can't be reached: {_reason(error)}", _UNREACHABLE_HINT)
    if response.status_code >= 500:
        message = f"the service at {shown} answers {response.status_code}"
        return _EndpointFault(message, "the agents' calls may fail as well", severity="warning")
    return None


async def _check_login_keys(runtime: Runtime, answer_s: float) -> list[Diagnostic]:
    """Check that the keys of logins can be fetched: until they can, every request is refused."""
    auth = runtime.config.auth
    if not isinstance(auth, JwtAuth) or auth.jwt.jwks_url is None:
        return []
    # Not at the top: it loads cryptography, which projects without JWTs don't need.
    from runtime.auth.jwks import Jwks, JwksTimes, JwksUnavailable

    try:
        await Jwks(auth.jwt.jwks_url, JwksTimes(answer_s=answer_s)).fetch()
    except JwksUnavailable as error:
        message = f"the keys of logins can't be fetched: {mask(str(error), runtime.generation.source.loaded.secrets)}"
        path = ("auth", "jwt", "jwks_url")
        return [_diagnostic(runtime, "A633", path, message, "until they can, every request gets a 503", "warning")]
    return []


async def _check_mcp_servers(runtime: Runtime, answer_s: float) -> list[Diagnostic]:
    connections = runtime.generation.snapshot.servers.connections
    listed: dict[str, Sequence[McpTool]] = {}
    results = await asyncio.gather(
        *(_check_mcp_server(runtime, name, connection, answer_s, listed) for name, connection in connections.items())
    )
    renamed = [each for key in runtime.config.agents for each in _renamed_tools(runtime, key, listed)]
    return [diagnostic for diagnostics in (*results, renamed) for diagnostic in diagnostics]


def _renamed_tools(runtime: Runtime, key: str, listed: Mapping[str, Sequence[McpTool]]) -> list[Diagnostic]:
    diagnostics = []
    for view in runtime.agents[key].mcp_servers:
        references = runtime.config.agents[key].tools
        index = next((n for n, each in enumerate(references) if each.partition(".")[0] == view.name), 0)
        changes = view.rename(listed.get(view.name, ())) if isinstance(view, ServerView) else []
        for message in changes:
            hint = "a 'prefix' on the server keeps its names apart; the log says the same"
            diagnostics.append(_diagnostic(runtime, "A209", ("agents", key, "tools", index), message, hint, "warning"))
    return diagnostics


async def _check_mcp_server(
    runtime: Runtime, name: str, connection: McpConnection, answer_s: float, listed: dict[str, Sequence[McpTool]]
) -> list[Diagnostic]:
    try:
        listed[name] = await connection.tools()
        tools = {tool.name for tool in listed[name]}
    except McpUnavailable as error:
        return [await _unavailable(runtime, name, error, answer_s)]
    finally:
        await connection.close()
    diagnostics = []
    for key, agent in runtime.config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = split_reference(runtime.config, reference)
            if split is not None and split[0] == name and split[1] != ALL and split[1] not in tools:
                message = f"the MCP server {name!r} has no tool {split[1]!r}"
                hint = suggest(split[1], tools) or f"it has {len(tools)} others"
                diagnostics.append(_diagnostic(runtime, "A631", ("agents", key, "tools", index), message, hint))
    return diagnostics


async def _unavailable(runtime: Runtime, name: str, error: McpUnavailable, answer_s: float) -> Diagnostic:
    entry = runtime.config.mcp[name]
    if isinstance(entry, HttpMcpServer) and entry.forward_headers:
        # The server may be available to a request that has the headers of a user.
        hint = "it was called without the headers of a user"
        return _diagnostic(runtime, "A631", ("mcp", name, "url"), str(error), hint, "warning")
    if isinstance(entry, StdioMcpServer) and (
        ended := await end_of_program(entry, runtime.generation.source.loaded, answer_s)
    ):
        message = f"the MCP server {name!r} can't be reached: {ended}"
        return _diagnostic(runtime, "A631", ("mcp", name, "command"), message, "run the command in a terminal")
    key = next(key for key in ("url", "command", "python") if hasattr(entry, key))
    return _diagnostic(runtime, "A631", ("mcp", name, key), str(error), "is it running, and is the key right?")
