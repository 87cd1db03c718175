"""Failures of models that have a name: what each is, and whether another request can end otherwise.

Providers report the same failure by an HTTP status, by an event or an error inside of a stream, by the reason why an
answer ended, or by silence. All become a `ModelFailure`, or are exceptions of the provider's client with a status;
`failure_kind` tells them apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import httpx
import openai

from runtime.config.secrets.mask import mask
from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage

FailureKind = Literal[
    "busy", "unavailable", "unreachable", "silent", "cut_off", "filtered", "too_long", "quota", "refused"
]

_STATUSES: Mapping[FailureKind, int] = {
    "busy": 429,
    "unavailable": 500,
    "silent": 502,
    "cut_off": 400,
    "filtered": 400,
    "too_long": 400,
    "quota": 429,
    "refused": 400,
}
_KINDS: Mapping[str, FailureKind] = {
    "rate_limit_exceeded": "busy",
    "rate_limit_error": "busy",
    "too_many_requests": "busy",
    "resource_exhausted": "busy",
    "overloaded_error": "unavailable",
    "server_error": "unavailable",
    "internal_server_error": "unavailable",
    "api_error": "unavailable",
    "unavailable": "unavailable",
    "deadline_exceeded": "unavailable",
    "context_length_exceeded": "too_long",
    "exceed_context_size_error": "too_long",
    "string_above_max_length": "too_long",
    "model_max_prompt_tokens_exceeded": "too_long",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "credit_balance_too_low": "quota",
    "content_filter": "filtered",
    "content_policy_violation": "filtered",
    "data_inspection_failed": "filtered",
    "invalid_prompt": "filtered",
}
# LiteLLM's and any-llm's classes of errors that say more than their status.
_CLASSES: Mapping[str, FailureKind] = {
    "ContextWindowExceededError": "too_long",
    "ContextLengthExceededError": "too_long",
    "ContentPolicyViolationError": "filtered",
    "ContentFilterError": "filtered",
    "InsufficientFundsError": "quota",
}
# Many providers report these by the text alone, with a status that says little.
_TEXTS: Mapping[FailureKind, str] = {
    "too_long": (
        r"maximum (context|prompt) length|context (window|size|length|limit)|(prompt|input) is too long|"
        r"too large for model|(input )?token count .{0,40}exceeds|exceeds the (maximum|model's) .{0,30}tokens|"
        r"reduce the length of the (messages|input|prompt)|range of input length|inputs? tokens \+ .?max_|"
        r"request entity too large"
    ),
    "quota": (
        # Gemini says the same of its limits per minute.
        r"\A(?!.*(retry in|retrydelay|per.?minute)).*(credit balance is too low|"
        r"insufficient (balance|credits|funds)|exceeded your current quota|check your plan and billing|"
        r"have any credits|used all available credits|(key|credit|spending) limit exceeded|monthly spending limit|"
        r"specified api usage limits)"
    ),
    "filtered": (
        r"content management policy|content.?policy|content.?filter|prohibited_content|our safety system|"
        r"content exists risk|requires moderation|responsible.?ai"
    ),
    "busy": r"rate.?limit|too many requests|throttl",
}
# A rate limit that this request alone exceeds: it can't succeed later, but a shorter one can.
_TOO_LARGE = re.compile(r"request too large for|must be reduced in order to run", re.IGNORECASE)
REASONS: Mapping[FailureKind, str] = {
    "busy": "its model gets too many requests at the moment",
    "unavailable": "its model is not available at the moment",
    "unreachable": "its model can't be reached",
    "silent": "its model sent no answer",
    "cut_off": "its answer reached the limit of tokens and was cut off",
    "filtered": "the content filter stopped its answer",
    "too_long": "its input is too long for its model",
    "quota": "its model has no quota left",
    "refused": "its model rejected the request",
}
"""What another model is told of an agent that did not answer, without the words of the provider."""

_MOST_WRAPPED = 8
_RETRYABLE_STATUSES = frozenset({408, 409, 429})
_TOO_LARGE_STATUS = 413
_WITHOUT_ACCESS = frozenset({401, 403, 404, 410})
# Groq, Mistral, OpenRouter and Bedrock have 400 for a model that does not exist or was shut down.
_NO_MODEL = re.compile(
    r"model_(not_found|decommissioned)|invalid model\b|model (identifier|id|name)\b.{0,60}\binvalid|"
    r"not a valid model|\bmodel\b.{0,80}(decommissioned|not found|not exist|no longer (available|supported))",
    re.IGNORECASE,
)
_LATER: frozenset[FailureKind] = frozenset({"busy", "unavailable", "unreachable", "silent"})
_ELSEWHERE = _LATER | {"too_long", "quota"}


class ModelFailure(RuntimeFault):
    """A model did not answer, or not to the end. `status_code` is the HTTP status that the failure stands for.

    `usage` are the tokens that were used all the same; `text` is what was said of an answer that is not complete.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        usage: TokenUsage | None = None,
        text: str = "",
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.status_code = status_code or _STATUSES.get(kind)
        self.code, self.usage, self.text = code, usage, text

    @classmethod
    def of_error(cls, error: object, message: str = "", status: int | None = None) -> ModelFailure:
        """Return the failure that a provider's error object or text describes; `status` holds where it has no code."""
        fields = error if isinstance(error, Mapping) else {"message": error}
        code, text = fields.get("code"), str(fields.get("message") or message or "the stream ended with an error")
        number = int(str(code)) if str(code).isdecimal() else 0
        told = number if 400 <= number <= 599 else None
        names = [str(fields.get(name) or "") for name in ("code", "type", "status")]
        kind = next(_kinds_of(names, text, told), None)
        if kind is None:
            told = told or status
            kind = _kind_of_status(told or 500)
        return cls(kind, text, status_code=told, code=next(filter(None, names), None))

    @classmethod
    def of_library(cls, error: Exception) -> ModelFailure | None:
        """Return what a failure inside of a stream is that LiteLLM has put into an exception of its own, or None.

        OpenAI's client has raised it first, with the provider's code. LiteLLM keeps the words, and guesses a status.
        """
        inner = _client_error_in(error)
        if inner is None or isinstance(inner, openai.APIStatusError):
            return None
        body = inner.body if isinstance(inner.body, Mapping) else {"code": inner.code, "type": inner.type}
        return cls.of_error(body, inner.message, getattr(error, "status_code", None))


def failure_kind(error: BaseException) -> FailureKind | None:
    """Return what kind of failure of a model an exception is; None for other exceptions."""
    if isinstance(error, ModelFailure):
        return error.kind
    if (kind := _CLASSES.get(type(error).__name__)) is not None:
        return kind
    inner = _client_error_in(error)
    status = getattr(error, "status_code", getattr(inner, "status_code", None))
    if isinstance(status, int):
        names = [*_names_in(error), *_names_in(inner)]
        return next(_kinds_of(names, words_of(error), status), None) or _kind_of_status(status)
    if isinstance(error, openai.APIConnectionError | TimeoutError | ConnectionError | httpx.TransportError):
        return "unreachable"
    return None


def words_of(error: BaseException) -> str:
    """Return what an exception says, and what an endpoint has said that the provider's client does not repeat.

    The client repeats only `error.message`. Other endpoints send the text as `error`, as `detail`, or alone. Keys of
    known formats are masked.
    """
    text, body = str(error), getattr(error, "body", None)
    if body and isinstance(error, openai.APIStatusError):
        message = body.get("message") if isinstance(body, Mapping) else None
        if not isinstance(message, str) or message not in text:
            text = f"{text} - {body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)}"
    return mask(text)


def can_end_otherwise(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    return failure_kind(error) in _LATER


def may_answer_elsewhere(error: BaseException) -> bool:
    """Return whether another model may answer the request: False if the request itself was rejected.

    A model that was shut down, and a key that is not valid, are no fault of the request.
    """
    kind = failure_kind(error)
    return kind in _ELSEWHERE or (kind == "refused" and is_fault_of_setup(error))


def is_fault_of_setup(error: BaseException) -> bool:
    """Return whether a refusal says that there is no such key, model or address, and nothing of the request."""
    status = getattr(error, "status_code", None)
    return status in _WITHOUT_ACCESS or _NO_MODEL.search(words_of(error)) is not None


def _client_error_in(error: BaseException) -> openai.APIError | None:
    """Return the error of OpenAI's client that an exception of LiteLLM or any-llm wraps, or None."""
    inner: BaseException | None = error
    for _ in range(_MOST_WRAPPED):
        if inner is None or not (hasattr(inner, "llm_provider") or hasattr(inner, "original_exception")):
            break
        inner = getattr(inner, "original_exception", None) or inner.__cause__ or inner.__context__
    return inner if inner is not error and isinstance(inner, openai.APIError) else None


def _names_in(error: object) -> list[str]:
    """Return the codes and types that an error of a client, or its body, tells."""
    body = getattr(error, "body", None)
    body = body.get("error", body) if isinstance(body, Mapping) else {}
    fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    inner = fields.get("innererror")
    names = [getattr(error, "code", None), getattr(error, "type", None), fields.get("code"), fields.get("type")]
    names.append(inner.get("code") if isinstance(inner, Mapping) else None)
    return [str(name) for name in names if name]


def _kinds_of(names: list[str], text: str, status: int | None) -> Iterator[FailureKind]:
    if status == _TOO_LARGE_STATUS or _TOO_LARGE.search(text):
        yield "too_long"
    yield from (_KINDS[name.lower()] for name in names if name.lower() in _KINDS)
    if status == 402:
        yield "quota"
    if status in (None, 400, 403, 413, 422, 429, 500, 503):
        yield from (kind for kind, pattern in _TEXTS.items() if re.search(pattern, text, re.IGNORECASE | re.DOTALL))


def _kind_of_status(status: int) -> FailureKind:
    if status == 429:
        return "busy"
    return "unavailable" if status in _RETRYABLE_STATUSES or status >= 500 else "refused"
