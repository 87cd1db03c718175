"""OpenAPI operations -> tools, which send requests; an error of the service is an output for the model as well."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from agents import FunctionTool
from agents.tool_context import ToolContext
from jsonschema import Draft202012Validator

from runtime.assemble.context import RuntimeContext
from runtime.assemble.problems import BuildError
from runtime.assemble.schemas import compile_schema, read_json
from runtime.assemble.tool_failures import ToolFailure, declared_text, record_failure
from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_documents import read_openapi
from runtime.config.openapi_operations import FORM_BODY, JSON_BODY, Operation, OperationParameter
from runtime.config.project_files import ProjectFiles
from runtime.config.secrets.detect import is_secret_key
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.resources.pool import Share

_MIN_SECRET = 8
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-ndjson", "application/yaml")


def build_operations(entry: OpenApiTool, files: ProjectFiles, share: Share) -> dict[str, FunctionTool]:
    """Make a tool of each allowed operation, by its name in the document. Raise BuildError."""
    spec = read_openapi(files, entry.openapi)
    if isinstance(spec, Diagnostic):
        raise BuildError(spec.message, spec.hint, code=spec.code)
    base_url = entry.base_url or spec.server
    if base_url is None:
        raise BuildError(f"{entry.openapi!r} does not say where its server is", "write `base_url: https://…`")
    headers = tuple(sorted(entry.headers.items()))
    identity = ("openapi", base_url, headers, entry.timeout)

    def make() -> httpx.AsyncClient:
        # A redirect could send secret headers to another host, and a cookie of one user's call must not be sent with
        # that of another user.
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx.AsyncClient(headers=dict(headers), timeout=entry.timeout, follow_redirects=False, cookies=jar)

    client = share.get(identity, make, httpx.AsyncClient.aclose)
    return {each.name: _tool(entry, each, base_url.rstrip("/"), client) for each in spec.allowed(entry)}


def _tool(entry: OpenApiTool, operation: Operation, base_url: str, client: httpx.AsyncClient) -> FunctionTool:
    name = f"{entry.prefix}{operation.name}"
    validator, secrets = compile_schema(operation.schema, "openapi"), _secrets(entry.headers)

    async def call(arguments: str) -> str:
        request = _read_request(client, operation, base_url, validator, arguments)
        try:
            # The client's timeout is per read: without this one, a service that sends a byte at a time never ends.
            async with asyncio.timeout(entry.timeout):
                return await _fetch(client, request, entry.max_response, secrets)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise ToolFailure(f"the service did not answer within {entry.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise ToolFailure(f"the service can't be reached: {type(error).__name__}") from error

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        try:
            return await call(arguments)
        except ToolFailure as failure:
            record_failure(ctx.context, name, ctx.tool_call_id, str(failure))
            return declared_text(ctx.context, name, str(failure)) or f"Error: {failure}"

    return FunctionTool(
        name=name,
        description="\n\n".join(filter(None, (entry.description, operation.description))),
        params_json_schema=dict(operation.schema),
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )


def _secrets(headers: Mapping[str, str]) -> list[bytes]:
    """Return the secrets of the headers, longest first: a service may echo them, but the model must not see them."""
    values = [value for name, value in headers.items() if is_secret_key(name)]
    # The secret of "Bearer 123" is also "123".
    texts = {*values, *(value.partition(" ")[2].strip() for value in values)}
    return sorted((text.encode() for text in texts if len(text) >= _MIN_SECRET), key=len, reverse=True)


async def _fetch(client: httpx.AsyncClient, request: httpx.Request, max_bytes: int, secrets: list[bytes]) -> str:
    """Send the request and return the response as text, without secrets. Raise ToolFailure for an error status."""
    # The last bytes that are read may be the start of a secret, so more is read than is returned.
    longest = max(map(len, secrets), default=0)
    read_limit = max_bytes + longest
    response = await client.send(request, stream=True)
    try:
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > read_limit:
                break
    finally:
        await response.aclose()
    body, is_cut = bytes(content), len(content) > max_bytes
    for secret in secrets:
        body = body.replace(secret, b"***")
    if len(content) > read_limit:
        body = body[: len(body) - longest]
    if not media_type or media_type.startswith(_TEXT_TYPES) or media_type.endswith(("+json", "+xml")):
        text = body[:max_bytes].decode(response.encoding or "utf-8", "replace")
    else:
        text = f"(an answer of the kind {media_type})"
    if is_cut:
        text += f"\n(The answer is longer than {max_bytes} bytes; this is its beginning.)"
    if response.is_success:
        return text or f"(status {response.status_code}, without content)"
    if response.is_redirect:
        text = "the service redirects elsewhere, which is not followed"
    raise ToolFailure(f"the service answered with status {response.status_code}: {text}")


def _read_request(
    client: httpx.AsyncClient, operation: Operation, base_url: str, validator: Draft202012Validator, arguments: str
) -> httpx.Request:
    """Make the request of a call from its arguments in JSON. Raise ToolFailure."""
    values = read_json(arguments or "{}", validator, "the arguments", ToolFailure)
    try:
        return _make_request(client, operation, base_url, values)
    except (ValueError, httpx.InvalidURL) as error:
        raise ToolFailure(str(error)) from error


def _make_request(
    client: httpx.AsyncClient, operation: Operation, base_url: str, values: Mapping[str, Any]
) -> httpx.Request:
    """Raise ValueError for an argument that can't be sent."""
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


def _content(media_type: str, value: Any) -> bytes:
    if media_type == JSON_BODY:
        return json.dumps(value, ensure_ascii=False).encode()
    if media_type == FORM_BODY:
        pairs = value.items() if isinstance(value, dict) else ()
        return urlencode([(key, _text(item)) for key, part in pairs for item in _as_list(part)]).encode()
    return _text(value).encode()


def _segment(parameter: OperationParameter, value: Any) -> str:
    """Encode a value as exactly one path segment."""
    text = _join(value, explode=parameter.explode)
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
    return [(parameter.name, _join(value, separator))]


def _header(parameter: OperationParameter, value: Any) -> str:
    text = _join(value, explode=parameter.explode)
    if not text.isprintable():
        raise ValueError(f"{parameter.key!r} has characters that a header can't have")
    return text


def _join(value: Any, separator: str = ",", *, explode: bool = False) -> str:
    if isinstance(value, dict):
        return separator.join(f"{key}{'=' if explode else separator}{_text(item)}" for key, item in value.items())
    return separator.join(map(_text, _as_list(value)))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
