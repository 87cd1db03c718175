"""OpenAPI operations -> tools: arguments become a request as the document says, and the answer is what the model gets.

Whatever comes back is told to the model: an error of the service is its result, and ends no turn.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from agents import FunctionTool
from agents.tool_context import ToolContext

from runtime.assemble.context import RuntimeContext
from runtime.assemble.problems import BuildError
from runtime.assemble.schemas import compile_schema
from runtime.assemble.tool_errors import note_failure, own_words
from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_documents import read_openapi
from runtime.config.openapi_operations import FORM_BODY, JSON_BODY, Operation, OperationParameter
from runtime.config.project_files import ProjectFiles
from runtime.config.secrets.detect import is_secret_key
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.resources.pool import Share

logger = logging.getLogger("runtime.tools")
_SHORTEST_SECRET = 8
_READABLE = ("text/", "application/json", "application/xml", "application/x-ndjson", "application/yaml")


def build_operations(entry: OpenApiTool, files: ProjectFiles, share: Share) -> dict[str, FunctionTool]:
    """Make a tool of each operation that is let in, by its name in the document. Raise BuildError."""
    spec = read_openapi(files, entry.openapi)
    if isinstance(spec, Diagnostic):
        raise BuildError(spec.message, spec.hint, code=spec.code)
    base_url = entry.base_url or spec.server
    if base_url is None:
        raise BuildError(f"{entry.openapi!r} does not say where its server is", "write `base_url: https://…`")
    headers = tuple(sorted(entry.headers.items()))
    identity = ("openapi", base_url, headers, entry.timeout)

    def make() -> httpx.AsyncClient:
        # A redirect could take the headers, with what is secret in them, to another host.
        # Nor may what one user's call is given as a cookie go out with that of another.
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx.AsyncClient(headers=dict(headers), timeout=entry.timeout, follow_redirects=False, cookies=jar)

    client = share.get(identity, make, httpx.AsyncClient.aclose)
    return {each.name: _tool(entry, each, base_url.rstrip("/"), client) for each in spec.chosen(entry)}


def _tool(entry: OpenApiTool, operation: Operation, base_url: str, client: httpx.AsyncClient) -> FunctionTool:
    name = f"{entry.prefix}{operation.name}"
    validator, hidden = compile_schema(operation.schema, "openapi"), _secrets(entry.headers)

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        try:
            values = json.loads(arguments or "{}")
        except json.JSONDecodeError as error:
            return _failed(ctx, name, f"the arguments are no JSON: {error}")
        wrong = next(validator.iter_errors(values), None)
        if wrong is not None:
            return _failed(ctx, name, f"the arguments do not fit: {wrong.message}")
        try:
            request = _request(client, operation, base_url, values)
        except (ValueError, httpx.InvalidURL) as error:
            return _failed(ctx, name, str(error))
        try:
            # The client's own limit is that of each step: a service that sends a little now and then never ends.
            async with asyncio.timeout(entry.timeout):
                return await _answer(ctx, name, client, request, entry.max_response, hidden)
        except (httpx.TimeoutException, TimeoutError):
            return _failed(ctx, name, f"the service did not answer within {entry.timeout:g} s")
        except httpx.HTTPError as error:
            return _failed(ctx, name, f"the service can't be reached: {type(error).__name__}")

    return FunctionTool(
        name=name,
        description="\n\n".join(filter(None, (entry.description, operation.description))),
        params_json_schema=dict(operation.schema),
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )


def _failed(ctx: ToolContext[RuntimeContext], name: str, reason: str) -> str:
    note_failure(ctx.context, name, ctx.tool_call_id, reason)
    return own_words(ctx.context, name, reason) or f"Error: {reason}"


def _secrets(headers: Mapping[str, str]) -> list[bytes]:
    """What a service may repeat of the headers, and the model is not told: the longest first."""
    secret = [value for name, value in headers.items() if is_secret_key(name)]
    texts = {*secret, *(value.partition(" ")[2].strip() for value in secret)}
    return sorted((text.encode() for text in texts if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)


async def _answer(
    ctx: ToolContext[RuntimeContext],
    name: str,
    client: httpx.AsyncClient,
    request: httpx.Request,
    most: int,
    hidden: list[bytes],
) -> str:
    # The end of what is read may be the beginning of a secret: it is not told.
    longest = max(map(len, hidden), default=0)
    enough = most + longest
    response = await client.send(request, stream=True)
    try:
        kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > enough:
                break
    finally:
        await response.aclose()
    answer, is_cut = bytes(content), len(content) > most
    for secret in hidden:
        answer = answer.replace(secret, b"***")
    if len(content) > enough:
        answer = answer[: len(answer) - longest]
    if not kind or kind.startswith(_READABLE) or kind.endswith(("+json", "+xml")):
        text = _decoded(answer[:most], response.charset_encoding)
    else:
        text = f"(an answer of the kind {kind})"
    if is_cut:
        text += f"\n(The answer is longer than {most} bytes; this is its beginning.)"
    if response.is_success:
        return text or f"(status {response.status_code}, without content)"
    if response.is_redirect:
        text = "the service redirects elsewhere, which is not followed"
    return _failed(ctx, name, f"the service answered with status {response.status_code}: {text}")


def _decoded(content: bytes, encoding: str | None) -> str:
    try:
        return content.decode(encoding or "utf-8", "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _request(
    client: httpx.AsyncClient, operation: Operation, base_url: str, values: Mapping[str, Any]
) -> httpx.Request:
    """Make the request of a call. Raise ValueError for an argument that has no place in it."""
    path, query, headers = operation.path, list[tuple[str, str]](), dict[str, str]()
    for parameter in operation.parameters:
        value = values.get(parameter.key)
        if value is None:
            continue
        match parameter.where:
            case "path":
                path = path.replace(f"{{{parameter.name}}}", _segment(parameter, value))
            case "query":
                query += _pairs(parameter, value)
            case "header":
                headers[parameter.name] = _header(parameter, value)
    content: bytes | None = None
    if operation.body is not None and values.get("body") is not None:
        content = _content(operation.body, values["body"])
        headers["content-type"] = operation.body
    address = f"{base_url}{path}"
    if query:
        address += ("&" if "?" in address else "?") + urlencode(query, quote_via=quote)
    return client.build_request(operation.method, address, headers=headers, content=content)


def _content(kind: str, value: Any) -> bytes:
    if kind == JSON_BODY:
        return json.dumps(value, ensure_ascii=False).encode()
    if kind == FORM_BODY:
        pairs = value.items() if isinstance(value, dict) else ()
        return urlencode([(key, _text(item)) for key, part in pairs for item in _listed(part)]).encode()
    return _text(value).encode()


def _segment(parameter: OperationParameter, value: Any) -> str:
    """What stands in the path: never more than the segment that the document has for it."""
    text = _joined(value, explode=parameter.explode)
    if text in ("", ".", ".."):
        raise ValueError(f"{parameter.key!r} may not be {text!r}")
    return quote(text, safe="")


def _pairs(parameter: OperationParameter, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        if parameter.style == "deepObject":
            return [(f"{parameter.name}[{key}]", _text(item)) for key, item in value.items()]
        if parameter.explode:
            return [(key, _text(item)) for key, item in value.items()]
    elif isinstance(value, list) and parameter.explode:
        return [(parameter.name, _text(item)) for item in value]
    separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(parameter.style, ",")
    return [(parameter.name, _joined(value, separator))]


def _header(parameter: OperationParameter, value: Any) -> str:
    text = _joined(value, explode=parameter.explode)
    if not text.isprintable():
        raise ValueError(f"{parameter.key!r} has characters that no header can have")
    return text


def _joined(value: Any, separator: str = ",", *, explode: bool = False) -> str:
    if isinstance(value, dict):
        return separator.join(f"{key}{'=' if explode else separator}{_text(item)}" for key, item in value.items())
    return separator.join(map(_text, _listed(value)))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
