"""What went wrong in a turn, in words for the user: the reason stays in the log, under the reference they can quote."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import openai
from agents.exceptions import (
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    OutputGuardrailTripwireTriggered,
)
from chatkit.errors import CustomStreamError, StreamError
from chatkit.types import ErrorEvent

from runtime.assemble.scripted import ScriptedFailure, ScriptError
from runtime.errors import RequestError

logger = logging.getLogger("runtime.server")

_RETRYABLE_STATUS = {408, 409}


@dataclass(frozen=True, slots=True)
class _Explained:
    message: str
    retry: bool


_UNEXPECTED = _Explained("Something went wrong while answering.", True)


def error_event(error: Exception, request_id: str) -> ErrorEvent:
    """Log the error and return the event for the client; `allow_retry` only where trying again can help."""
    if isinstance(error, CustomStreamError):
        return ErrorEvent(code="custom", message=error.message, allow_retry=error.allow_retry)
    if isinstance(error, RequestError):
        return ErrorEvent(code="custom", message=f"{error.message}.", allow_retry=error.status == 409)
    if isinstance(error, StreamError):
        return ErrorEvent(code=error.code, allow_retry=error.allow_retry)
    explained = _explain(error)
    trace = error if explained is _UNEXPECTED else None
    logger.error("turn failed [%s]: %s: %s", request_id, type(error).__name__, error, exc_info=trace)
    return ErrorEvent(
        code="custom", message=f"{explained.message} (reference {request_id})", allow_retry=explained.retry
    )


def _explain(error: Exception) -> _Explained:
    match error:
        case MaxTurnsExceeded():
            return _Explained("The assistant needed more steps than it is allowed.", False)
        case InputGuardrailTripwireTriggered() | OutputGuardrailTripwireTriggered():
            return _Explained("The assistant can't answer this.", False)
        case openai.APITimeoutError():
            return _Explained("The model took too long to answer.", True)
        case openai.APIStatusError(status_code=status) | ScriptedFailure(status_code=status):
            if status == 429:
                return _Explained("The model is asked too much right now. Please try again in a moment.", True)
            if status in _RETRYABLE_STATUS or status >= 500:
                return _Explained("The model is not answering right now. Please try again.", True)
            return _Explained("The model refused the request.", False)
        case openai.APIConnectionError():
            return _Explained("The model can't be reached. Please try again.", True)
        case ModelBehaviorError():
            return _Explained("The model gave an answer that makes no sense. Please try again.", True)
        case ScriptError():
            return _Explained(f"The script has no answer: {error.message}.", False)
        case _:
            return _UNEXPECTED
