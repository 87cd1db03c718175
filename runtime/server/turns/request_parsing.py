"""Parse and check a ChatKit request before the first byte of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatkit.types import ChatKitReq, UserMessageInput, UserMessageTextContent
from pydantic import TypeAdapter, ValidationError

from runtime.auth.user import User
from runtime.config.model import Config
from runtime.documents.untrusted import clean_value
from runtime.errors import RequestError
from runtime.server.turns.request_limits import check_values

MOST_PER_PAGE = 100
_MAX_QUOTED = 200
DEFAULT_PER_PAGE = 20

# Escaped, or in UTF-8.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
# The SDK builds this adapter for each request, which takes longer than the rest of a small request.
_REQUESTS: TypeAdapter[ChatKitReq] = TypeAdapter(ChatKitReq)


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The user of a request, and what the project's own code may read of the request."""

    user: User
    locale: str = "en"
    request_id: str = ""
    request_context: Any = field(default_factory=dict)
    base_url: str = ""
    """Where ChatKit requests are posted, as an absolute URL; empty without HTTP."""
    resumes: bool = False
    """Whether the client reads a broken stream on: its events have ids, and its disconnection is no stop."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The request's headers that are forwarded to MCP servers, by their names in lower case."""


def parse_request(body: bytes | str | bytearray) -> ChatKitReq:
    """Parse a request's JSON body. Raise RequestError (400), which names the invalid fields."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    check_values(raw)
    try:
        return _validate(raw)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        details = "; ".join(_describe(dict(detail)) for detail in errors[:5])
        raise RequestError(400, "invalid_request", details) from None


def _validate(body: bytes | bytearray) -> ChatKitReq:
    try:
        return _REQUESTS.validate_json(body)
    except ValidationError:
        cleaned = _with_whole_characters(body)
        if cleaned is None:
            raise
    return _REQUESTS.validate_json(cleaned)


def _with_whole_characters(body: bytes | bytearray) -> bytes | None:
    """Return the JSON with U+FFFD for each half of a surrogate pair, such as of a cut emoji; None for other JSON."""
    if not _SURROGATE.search(body):
        return None
    try:
        return json.dumps(clean_value(json.loads(body.decode("utf-8", "surrogatepass")))).encode()
    except (ValueError, RecursionError):
        return None


def _describe(error: dict[str, Any]) -> str:
    # The first part of a location in a discriminated union repeats the request's type.
    location = ".".join(str(part) for part in error["loc"][1:])
    location, message = location[:_MAX_QUOTED], str(error["msg"])[:_MAX_QUOTED]
    if error["type"] == "union_tag_not_found":
        return "the request has no `type`"
    if error["type"] == "union_tag_invalid":
        return f"the request's type {error['ctx']['tag'][:_MAX_QUOTED]!r} is unknown"
    return f"{location}: {message}" if location else message


def page_limit(limit: int | None) -> int:
    """Return the size of a page, 20 by default. Raise RequestError (400) outside of 1 to 100."""
    if limit is None:
        return DEFAULT_PER_PAGE
    if not 1 <= limit <= MOST_PER_PAGE:
        raise RequestError(400, "invalid_limit", f"limit must be between 1 and {MOST_PER_PAGE}, not {limit}")
    return limit


def check_message(message: UserMessageInput, config: Config) -> None:
    """Raise RequestError for a message that is empty, or has choices that the composer does not offer."""
    text = "".join(part.text for part in message.content)
    only_text = all(isinstance(part, UserMessageTextContent) for part in message.content)
    if not message.attachments and only_text and not text.strip():
        raise RequestError(400, "empty_message", "the message is empty")
    _check_choices(message, config)


def _check_choices(message: UserMessageInput, config: Config) -> None:
    options, composer = message.inference_options, config.chat.composer
    if options.model is not None:
        offered = [choice.model for choice in composer.models if not choice.disabled]
        if options.model not in offered:
            raise RequestError(400, "unknown_model", f"no model {options.model!r} is offered here{_list(offered)}")
    if options.tool_choice is not None:
        offered = [choice.id for choice in composer.tools]
        if options.tool_choice.id not in offered:
            text = f"no tool {options.tool_choice.id!r} is offered here{_list(offered)}"
            raise RequestError(400, "unknown_tool", text)


def _list(offered: list[str]) -> str:
    return f" (offered: {', '.join(map(repr, offered))})" if offered else ""
