"""What went wrong in a turn, in words for the user: the reason stays in the log, under the reference they can quote."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai
from agents.exceptions import (
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
)
from chatkit.errors import CustomStreamError, StreamError
from chatkit.types import ErrorEvent

from runtime.assemble.scripted_model import ScriptedFailure, ScriptError
from runtime.errors import RequestError
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.server")

_RETRYABLE_STATUS = {408, 409}


@dataclass(frozen=True, slots=True)
class _Explained:
    """What the user is told, whether trying again can help, and the key of `chat.errors` with the project's words."""

    message: str
    retry: bool
    kind: str = ""


_UNEXPECTED = _Explained("Something went wrong while answering.", True, "unexpected")


def error_event(error: Exception, request_id: str, own: Mapping[str, Template], scope: Mapping[str, Any]) -> ErrorEvent:
    """Log the error and return the event for the client; `allow_retry` only where trying again can help.

    `own` are the project's own words, by the keys of `chat.errors`; `scope` are the names of the turn.
    """
    if isinstance(error, CustomStreamError):
        return ErrorEvent(code="custom", message=error.message, allow_retry=error.allow_retry)
    if isinstance(error, RequestError):
        return ErrorEvent(code="custom", message=f"{error.message}.", allow_retry=error.status == 409)
    if isinstance(error, StreamError):
        return ErrorEvent(code=error.code, allow_retry=error.allow_retry)
    explained = _explain(error)
    trace = error if explained is _UNEXPECTED else None
    logger.error("turn failed [%s]: %s: %s", request_id, type(error).__name__, error, exc_info=trace)
    message = f"{explained.message} (reference {request_id})"
    message = own_words(explained.kind, own, scope, request_id) or message
    return ErrorEvent(code="custom", message=message, allow_retry=explained.retry)


def own_words(kind: str, own: Mapping[str, Template], scope: Mapping[str, Any], request_id: str, **more: Any) -> str:
    """Return what the project says for a kind of `chat.errors`; empty where it says nothing, or its template fails."""
    if kind not in own:
        return ""
    try:
        return str(own[kind].render({**scope, "reference": request_id, **more}))
    except TemplateError as error:
        logger.warning("a text of `chat.errors` can't be made: %s", error)
        return ""


def _explain(error: Exception) -> _Explained:
    match error:
        case MaxTurnsExceeded():
            return _Explained("The assistant needed more steps than it is allowed.", False, "max_turns")
        case InputGuardrailTripwireTriggered() | OutputGuardrailTripwireTriggered():
            return _Explained("The assistant can't answer this.", False)
        case openai.APITimeoutError() | ModelTimeoutError():
            return _Explained("The model took too long to answer.", True, "timeout")
        case openai.APIStatusError(status_code=status) | ScriptedFailure(status_code=status):
            if status == 429:
                return _Explained("The model is asked too much right now. Please try again in a moment.", True, "model")
            if status in _RETRYABLE_STATUS or status >= 500:
                return _Explained("The model is not answering right now. Please try again.", True, "model")
            return _Explained("The model refused the request.", False, "refused")
        case openai.APIConnectionError():
            return _Explained("The model can't be reached. Please try again.", True, "model")
        case ModelBehaviorError():
            return _Explained("The model gave an answer that makes no sense. Please try again.", True, "model")
        case ScriptError():
            return _Explained(f"The script has no answer: {error.detail}.", False)
        case _:
            return _UNEXPECTED
