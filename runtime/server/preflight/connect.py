"""What `validate --connect` tries beyond the build: whatever serving opens, and what it would reach for later."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
from openai import AsyncOpenAI

from runtime.assemble.forwarded_headers import McpConnection
from runtime.assemble.mcp import McpUnavailable
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.config.model.mcp import HttpMcpServer
from runtime.config.model.models import OpenAIModel
from runtime.config.references import ALL, split_reference
from runtime.diagnostics.diagnostic import Diagnostic, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import nearest, suggest
from runtime.server.preflight.build import failure
from runtime.server.runtime import Runtime
from runtime.stores.store import StoreError

if TYPE_CHECKING:
    from runtime.server.runtime import Runtime

# Ask the endpoints of the models, as `validate --connect` does: is each there, is the key right, is the model known.

ANSWER_S = 10.0
"""How long, in seconds, an endpoint may take to list its models."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model with an endpoint: its key in the file, its name there, and where it is declared, or used."""

    key: str
    name: str
    path: KeyPath


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What an endpoint answered instead of a list; `about` is the key of the model's entry that is to blame."""

    message: str
    hint: str = ""
    severity: Severity = "error"
    about: str = ""


async def probe_models(runtime: Runtime) -> list[Diagnostic]:
    """Return what is wrong with the endpoints of the models that are used; each endpoint is asked once."""
    clients: dict[int, tuple[AsyncOpenAI, list[_Asked]]] = {}
    found: list[Diagnostic] = []
    for key, built in runtime.generation.snapshot.models.built.items():
        entry = runtime.config.models.get(key)
        asked = _Asked(key, entry.name if isinstance(entry, OpenAIModel) else key, _path_of(key, runtime))
        if built.client is not None:
            clients.setdefault(id(built.client), (built.client, []))[1].append(asked)
        elif not isinstance(built.model, ScriptedConversation):
            text = f"the endpoint of model {key!r} was not asked: only those of the OpenAI API can list their models"
            found.append(_diagnostic(runtime, asked.path, _Trouble(text, severity="note")))
    answers = await asyncio.gather(*(_list_models(client) for client, _ in clients.values()))
    for (_, models), answer in zip(clients.values(), answers, strict=True):
        found += _judge(runtime, models, answer)
    return found


def _judge(runtime: Runtime, models: Sequence[_Asked], answer: Sequence[str] | _Trouble) -> list[Diagnostic]:
    if isinstance(answer, _Trouble):
        # One endpoint, one mistake, however many models it has.
        return [_diagnostic(runtime, models[0].path, answer)]
    unknown = [model for model in models if not any(_is_same(model.name, listed) for listed in answer)]
    return [_diagnostic(runtime, model.path, _unlisted(model, answer)) for model in unknown]


def _unlisted(model: _Asked, listed: Sequence[str]) -> _Trouble:
    near = nearest(model.name, listed)
    others = f"it lists {len(listed)} other{'' if len(listed) == 1 else 's'}"
    hint = f"did you mean {near!r}?" if near else others
    return _Trouble(f"the endpoint does not list a model {model.name!r}", hint, "warning", "name")


def _is_same(name: str, listed: str) -> bool:
    """Ollama lists `llama3:latest`, Google `models/gemini-2.0-flash`; both take the name without that."""
    return listed == name or listed == f"{name}:latest" or listed.endswith(f"/{name}")


async def _list_models(client: AsyncOpenAI) -> Sequence[str] | _Trouble:
    address = _shown(client)
    try:
        async with asyncio.timeout(ANSWER_S):
            # The body as it is: some endpoints list in a form of their own.
            response = await client.with_options(max_retries=0).models.with_raw_response.list()
            body = json.loads(response.http_response.content)
    except (TimeoutError, openai.APITimeoutError):
        hint = "is it running, and is its address right?"
        return _Trouble(f"{address} did not answer within {ANSWER_S:g} s", hint, about="base_url")
    except openai.APIStatusError as error:
        return _refused(address, error.status_code)
    except openai.APIConnectionError as error:
        hint = "is it running, and is its address right?"
        return _Trouble(f"{address} can't be reached: {_reason(error)}", hint, about="base_url")
    except ValueError:
        return _no_list(address)
    listed = body.get("data") if isinstance(body, Mapping) else body
    if not isinstance(listed, list):
        return _no_list(address)
    return [entry["id"] for entry in listed if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]


def _refused(address: str, status: int) -> _Trouble:
    if status == 401:
        return _Trouble(f"{address} refuses the key (401)", "is it the right one for this endpoint?", about="api_key")
    if status == 403:
        hint = "a key with few rights may be enough to answer"
        return _Trouble(f"{address} does not let this key list the models (403)", hint, "warning", "api_key")
    if status in (404, 405, 501):
        return _no_list(address)
    return _Trouble(f"{address} answered {status} when it was asked for its models", severity="warning")


def _no_list(address: str) -> _Trouble:
    return _Trouble(f"{address} is there, but has no list of its models to look the name up in", severity="note")


def _reason(error: BaseException) -> str:
    """The innermost cause: the system's own words rather than "Connection error."."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno).lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _shown(client: AsyncOpenAI) -> str:
    """The endpoint's address, without a password that may stand in it."""
    url = client.base_url
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{url.host}{port}{url.path}".rstrip("/")


def _path_of(key: str, runtime: Runtime) -> KeyPath:
    if key in runtime.config.models:
        return ("models", key)
    users = (("agents", name, "model") for name, agent in runtime.config.agents.items() if agent.model == key)
    return next(users, ("chat", "title", "model"))


def _diagnostic(runtime: Runtime, path: KeyPath, trouble: _Trouble) -> Diagnostic:
    places = runtime.generation.source.loaded.places
    if trouble.about:
        path = places.written((*path, trouble.about))
    values: dict[str, Any] = {"hint": trouble.hint, "path": path_text(path), "length": places.length(path)}
    return Diagnostic("A630", trouble.message, places.value(path), trouble.severity, **values)


# Ask the MCP servers, as `validate --connect` does: is each there, and does it have the tools that agents name.


async def probe_servers(runtime: Runtime) -> list[Diagnostic]:
    """Return what is wrong with the MCP servers that are used; each is asked once."""
    connections = runtime.generation.snapshot.servers.connections
    found = await asyncio.gather(*(_probe(runtime, name, connection) for name, connection in connections.items()))
    return [diagnostic for diagnostics in found for diagnostic in diagnostics]


async def _probe(runtime: Runtime, name: str, connection: McpConnection) -> list[Diagnostic]:
    try:
        tools = {tool.name for tool in await connection.tools()}
    except McpUnavailable as error:
        entry = runtime.config.mcp[name]
        if isinstance(entry, HttpMcpServer) and entry.forward_headers:
            # It may be there, and want to know who asks.
            hint = "it was asked without the headers that users bring"
            return [_diagnostic_mcp_endpoints(runtime, "A631", ("mcp", name, "url"), str(error), hint, "warning")]
        key = next(key for key in ("url", "command", "python") if hasattr(entry, key))
        return [
            _diagnostic_mcp_endpoints(
                runtime, "A631", ("mcp", name, key), str(error), "is it running, and is the key right?"
            )
        ]
    finally:
        await connection.close()
    wrong = []
    for key, agent in runtime.config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = split_reference(runtime.config, reference)
            if split is not None and split[0] == name and split[1] != ALL and split[1] not in tools:
                message = f"the MCP server {name!r} has no tool {split[1]!r}"
                hint = suggest(split[1], tools) or f"it has {len(tools)} others"
                wrong.append(_diagnostic_mcp_endpoints(runtime, "A631", ("agents", key, "tools", index), message, hint))
    return wrong


def _diagnostic_mcp_endpoints(
    runtime: Runtime, code: str, path: KeyPath, message: str, hint: str, severity: Severity = "error"
) -> Diagnostic:
    places = runtime.generation.source.loaded.places
    path = places.written(path)
    return Diagnostic(
        code, message, places.value(path), severity, hint=hint, path=path_text(path), length=places.length(path)
    )


Probe = Callable[[Runtime], Awaitable[list[Diagnostic]]]

PROBES: tuple[Probe, ...] = (probe_models, probe_servers)
"""What is asked of the world outside, all at the same time."""


async def try_connections(runtime: Runtime) -> list[Diagnostic]:
    """Open what serving opens, ask what it needs, and close everything; return what is wrong."""
    try:
        results = await asyncio.gather(_open(runtime), *(probe(runtime) for probe in PROBES))
    finally:
        await runtime.close(grace_s=1.0)
    return [found for result in results for found in result]


async def _open(runtime: Runtime) -> list[Diagnostic]:
    try:
        await runtime.open()
    except Exception as error:
        path: KeyPath = ("store",) if isinstance(error, StoreError) or not runtime.config.routes else ("routes",)
        return [failure("the project can't be opened", error, runtime.generation.source, path)]
    return []
