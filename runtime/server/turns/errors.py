"""Messages for the user about a turn that failed. The log has the reason, under the reference in the message."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

from runtime.assemble.instructions import InstructionsError
from runtime.assemble.model_failures import FailureKind, ModelFailure, failure_kind, is_fault_of_setup, words_of
from runtime.assemble.scripted_model import ScriptedFailure, ScriptError
from runtime.errors import RequestError
from runtime.resources.containment import ProjectCodeError, reason_of
from runtime.stores.store import StoreUnavailable
from runtime.stores.turns import TurnLost
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.server")


@dataclass(frozen=True, slots=True)
class _Failure:
    """A message, whether a retry can help, and the key of `chat.errors` for the project's own text."""

    message: str
    retry: bool
    kind: str = ""


_MODEL_FAILURES: Mapping[FailureKind, _Failure] = {
    "busy": _Failure("The model is receiving too many requests. Please try again in a moment.", True, "model"),
    "unavailable": _Failure("The model is not available right now. Please try again.", True, "model"),
    "unreachable": _Failure("The model can't be reached. Please try again.", True, "model"),
    "silent": _Failure("The model sent no answer. Please try again.", True, "model"),
    "refused": _Failure("The model refused the request.", False, "refused"),
    "cut_off": _Failure(
        "The answer was cut off: it reached the limit of what the model may write. Please ask for less at a time.",
        False,
        "cut_off",
    ),
    "filtered": _Failure(
        "The content filter of the model's provider stopped the answer. Please ask in other words.", False, "filtered"
    ),
    "too_long": _Failure(
        "This is too long for the model. Please write a shorter message, or start a new conversation.",
        False,
        "too_long",
    ),
    "quota": _Failure(
        "The assistant has used up its quota at the model's provider. Please tell the people who run it.",
        False,
        "quota",
    ),
}

_NO_ACCESS = _Failure("The assistant has no access to its model. Please tell the people who run it.", False, "refused")

_LONGEST_REASON = 2_000

LOST = "This answer was interrupted. Please try again."

_UNEXPECTED = _Failure("Something went wrong while answering.", True, "unexpected")


@dataclass(frozen=True, slots=True)
class Activity:
    """What a turn was doing when it failed: `parts` for the log, such as `tool 'weigh' of agent 'helper'`.

    `action` is the type of the action whose handler ran, or empty; `place` is the line at fault, or empty.
    """

    parts: tuple[str, ...] = ()
    action: str = ""
    place: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (*self.parts, self.place) if part) or "before an agent ran"


def error_event(
    error: Exception, request_id: str, own: Mapping[str, Template], scope: Mapping[str, Any], activity: Activity
) -> ErrorEvent:
    """Log an error and return the event for the client; it allows a retry where that can help.

    `own` has the project's own texts by the keys of `chat.errors`; `scope` has the names for their templates.
    """
    if isinstance(error, CustomStreamError):
        return ErrorEvent(code="custom", message=error.message, allow_retry=error.allow_retry)
    if isinstance(error, RequestError):
        return ErrorEvent(code="custom", message=f"{error.message}.", allow_retry=error.status == 409)
    if isinstance(error, StreamError):
        return ErrorEvent(code=error.code, allow_retry=error.allow_retry)
    failure = _describe(error)
    trace = error if failure is _UNEXPECTED and not isinstance(error, InstructionsError) else None
    cause = error.cause if isinstance(error, ProjectCodeError) else error
    reason = reason_of(cause)
    if isinstance(cause, openai.APIStatusError) and (words := words_of(cause)):
        reason = f"{type(cause).__name__}: {words}"
    logger.error("turn failed [%s]: %s (%s)", request_id, reason[:_LONGEST_REASON], activity, exc_info=trace)
    if failure is _UNEXPECTED and activity.action:
        # A retry would repeat the last message rather than the click.
        failure = replace(failure, message=f"The action {activity.action!r} failed.", retry=False)
    message = f"{failure.message} (reference {request_id})"
    message = own_text(failure.kind, own, scope, request_id) or message
    return ErrorEvent(code="custom", message=message, allow_retry=failure.retry)


def unexpected_event(error: Exception, request_id: str) -> ErrorEvent:
    """Log why the error of a turn could not be described, and return an event without a description."""
    reason = reason_of(error)
    logger.error("turn failed [%s], and its error can't be described: %s", request_id, reason, exc_info=error)
    message = f"{_UNEXPECTED.message} (reference {request_id})"
    return ErrorEvent(code="custom", message=message, allow_retry=_UNEXPECTED.retry)


def own_text(kind: str, own: Mapping[str, Template], scope: Mapping[str, Any], request_id: str, **more: Any) -> str:
    """Return the project's own text for a key of `chat.errors`; empty if there is none, or its template fails."""
    if kind not in own:
        return ""
    try:
        return str(own[kind].render({**scope, "reference": request_id, **more}))
    except TemplateError as error:
        logger.warning("a text of `chat.errors` can't be rendered: %s", error)
        return ""


def _describe(error: Exception) -> _Failure:
    match error:
        case MaxTurnsExceeded():
            return _Failure("The assistant reached its limit of steps before it could answer.", False, "max_turns")
        case InputGuardrailTripwireTriggered() | OutputGuardrailTripwireTriggered():
            return _Failure("The assistant can't answer this.", False)
        case openai.APITimeoutError() | ModelTimeoutError():
            return _Failure("The model took too long to answer.", True, "timeout")
        case ModelFailure() | openai.APIError() | ScriptedFailure() if (kind := failure_kind(error)) is not None:
            return _NO_ACCESS if kind == "refused" and is_fault_of_setup(error) else _MODEL_FAILURES[kind]
        case ModelBehaviorError():
            return _Failure("The model returned an invalid answer. Please try again.", True, "model")
        case StoreUnavailable():
            return _Failure("The conversation can't be stored right now. Please try again.", True, "unexpected")
        case TurnLost():
            return _Failure(LOST, True)
        case ScriptError():
            return _Failure(f"The script has no answer: {error.detail}.", False)
        case _:
            return _UNEXPECTED
