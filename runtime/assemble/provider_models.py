"""Models of the SDK whose requests suit their endpoint, and whose answers have one form and named failures.

Each is a subclass of the SDK's model: what a model can do depends on its class.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import openai
from agents import (
    FunctionTool,
    ModelBehaviorError,
    ModelResponse,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
)
from agents.exceptions import AgentsException
from agents.models.interface import Model

from runtime.assemble.chat_answers import read_chat_response
from runtime.assemble.http_traces import HttpTrace, new_trace
from runtime.assemble.model_failures import ModelFailure, failure_kind
from runtime.assemble.provider_answers import ProviderAnswer, ended_early, estimated_usage
from runtime.assemble.provider_input import for_chat, for_responses, shortened
from runtime.assemble.request_forms import Form, declared_tools, form_after, reform_items, with_schema
from runtime.assemble.token_meter import ESTIMATED_USAGE, TOKEN_METER, name_of
from runtime.sdk_internals import deliver_events_before, speaks_responses, watch_chat_responses

logger = logging.getLogger("runtime.models")

# What the SDK raises of an answer that has not the shape of one.
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)
_SYSTEM = ("system", "developer")


class _ProviderModel(Model):
    """Stands before a model of the SDK; `endpoint` names where it sends its requests."""

    endpoint = ""
    _speaks_chat = True
    _forms: frozenset[Form] = frozenset()
    """What the endpoint was found to demand of a request."""
    _is_opened: bool | None = None
    """Whether the endpoint was found to begin its answers with thoughts, without the tag that opens them."""

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        """Return a whole answer. Raise ModelFailure, or what the provider's client raises."""
        request = _Request(self, system_instructions, input, model_settings, args, kwargs)
        while True:
            answer, trace = request.answer(), new_trace()
            try:
                args, kwargs = request.arguments()
                response = await super().get_response(*args, **kwargs)  # type: ignore[safe-super]
                answer.correct(response.output)
            except Exception as error:
                request.adapt(self._named(error, trace), error)
                continue
            ESTIMATED_USAGE.set(False)
            if not response.usage.total_tokens:
                response.usage = estimated_usage(answer.estimate(response.output))
            return response

    async def stream_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream an answer. Raise ModelFailure, or what the provider's client raises."""
        request = _Request(self, system_instructions, input, model_settings, args, kwargs)
        while True:
            started, trace = False, new_trace()
            try:
                args, kwargs = request.arguments()
                stream = super().stream_response(*args, **kwargs)  # type: ignore[safe-super]
                # A generator: a failure in the middle would leave it and its connection open until it is collected.
                async with aclosing(stream), aclosing(request.answer().events(stream)) as events:  # type: ignore[type-var]
                    async for event in events:
                        started = True
                        yield event
                return
            except Exception as error:
                request.adapt(self._named(error, trace), error, may_repeat=not started)

    def _learn(self, is_opened: bool) -> None:
        self._is_opened = is_opened

    def _named(self, error: Exception, trace: HttpTrace) -> Exception:
        """Return a failure as what it is; count the tokens that were used all the same."""
        failure = _named(error, trace)
        if isinstance(failure, ModelFailure):
            meter = TOKEN_METER.get()
            if meter is not None and failure.usage is not None and failure.usage.total:
                meter.count(name_of(self), failure.usage)
            if failure.kind == "silent":
                logger.warning("model %r sent no answer: %s (%s)", name_of(self), failure, trace)
        return failure


class _Request:
    """A request to a model, which is changed and sent once more where the endpoint refuses its form."""

    def __init__(
        self, model: _ProviderModel, instructions: Any, input: Any, settings: ModelSettings, args: Any, kwargs: Any
    ) -> None:
        self._model, self._instructions, self._settings = model, instructions, settings
        self._args, self._kwargs = args, kwargs
        self._tools = args[0] if args else kwargs.get("tools") or ()
        self._handoffs = args[2] if len(args) > 2 else kwargs.get("handoffs") or ()
        self._input = input
        self._was_shortened = False
        self._forms = model._forms

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the SDK's model, in the form that the endpoint accepts."""
        model, instructions, items = self._model, self._instructions, self._input
        if isinstance(items, list):
            if model._speaks_chat:
                items = for_chat(items, model.endpoint)
                instructions, items = _with_first_system_items(instructions, items)
            else:
                items = for_responses(items, model.endpoint, is_stored=self._settings.store is not False)
        if not self._forms:
            return (instructions, items, self._settings, *self._args), self._kwargs
        return self._reformed(instructions, items)

    def _reformed(self, instructions: Any, items: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        settings = self._settings
        if "uncounted" in self._forms and settings.include_usage:
            settings = replace(settings, include_usage=None)
        changes: dict[str, Any] = {}
        if isinstance(items, list):
            items = reform_items(items, self._forms)
            if "declared_tools" in self._forms and not self._handoffs:
                changes["tools"] = declared_tools(self._tools, items)
        schema = self._args[1] if self._args else self._kwargs.get("output_schema")
        if "described_output" in self._forms and schema is not None and not schema.is_plain_text():
            instructions, changes["output_schema"] = with_schema(instructions, schema), None
        args, kwargs = self._args, {**self._kwargs, **changes}
        if args:
            named = dict(zip(("tools", "output_schema"), args, strict=False)) | changes
            args, kwargs = (*named.values(), *args[2:]), self._kwargs
        return (instructions, items, settings, *args), kwargs

    def answer(self) -> ProviderAnswer:
        """Return the reader of the answer."""
        last = self._input[-1] if isinstance(self._input, list) and self._input else {}
        return ProviderAnswer(
            self._model.endpoint,
            self._tool_names,
            self._size,
            keeps_thoughts=self._model._speaks_chat,
            may_be_empty=last.get("type") == "function_call_output",
            is_opened=self._model._is_opened,
            learn=self._model._learn,
        )

    def adapt(self, failure: Exception, error: Exception, *, may_repeat: bool = True) -> None:
        """Change the request so that it can be sent once more; raise the failure if it can't."""
        form = form_after(failure) if may_repeat else None
        if form is not None and form not in self._forms:
            logger.info("the endpoint of model %r rejects a form of request: now %r", name_of(self._model), form)
            self._model._forms |= {form}
            self._forms |= {form}
            return
        if may_repeat and not self._was_shortened and failure_kind(failure) == "too_long":
            shorter = shortened(self._input) if isinstance(self._input, list) else None
            if shorter is not None:
                logger.warning("the conversation is too long for model %r: it is shortened", name_of(self._model))
                self._input, self._was_shortened = shorter, True
                return
        deliver_events_before(failure)
        if failure is error:
            raise error
        raise failure from error

    def _tool_names(self) -> Iterator[str]:
        yield from (tool.name for tool in self._tools if isinstance(tool, FunctionTool))
        yield from (handoff.tool_name for handoff in self._handoffs)

    def _size(self) -> int:
        schemas = (tool.params_json_schema for tool in self._tools if isinstance(tool, FunctionTool))
        return len(str(self._instructions or "")) + len(str(self._input)) + sum(len(str(schema)) for schema in schemas)


def _with_first_system_items(instructions: Any, items: list[Any]) -> tuple[Any, list[Any]]:
    """Move system messages at the beginning into the instructions: chat templates accept one."""
    count = next((index for index, item in enumerate(items) if item.get("role") not in _SYSTEM), len(items))
    texts = [item["content"] for item in items[:count] if isinstance(item["content"], str)]
    if len(texts) < count or not count:
        return instructions, items
    return "\n\n".join(filter(None, (instructions, *texts))), items[count:]


def _named(error: Exception, trace: HttpTrace) -> Exception:
    if isinstance(error, ModelFailure):
        reported = trace.error() if error.kind == "silent" else None
        return error if reported is None else ModelFailure.of_error(reported)
    if isinstance(error, ModelBehaviorError):
        return _of_sdk(error, trace)
    if (reported := ModelFailure.of_library(error)) is not None:
        return reported
    if isinstance(error, openai.APIError) and failure_kind(error) is None:
        return ModelFailure.of_error(error.body, error.message)
    if isinstance(error, _MALFORMED) and not isinstance(error, AgentsException):
        return ModelFailure("silent", f"the answer can't be read: {type(error).__name__}: {error}")
    return error


def _of_sdk(error: ModelBehaviorError, trace: HttpTrace) -> Exception:
    """Return what the SDK tells only in words of an answer that it has not returned."""
    text = str(error)
    for reason in ("max_output_tokens", "content_filter", "finish_reason='length'"):
        if reason in text:
            return ended_early("length" if "length" in reason else reason)
    if "has no choices" in text:
        reported = trace.error()
        return ModelFailure("silent", text) if reported is None else ModelFailure.of_error(reported)
    return error


class ChatCompletionsModel(_ProviderModel, watch_chat_responses(OpenAIChatCompletionsModel, read_chat_response)):  # type: ignore[misc]
    """A model of a Chat Completions endpoint."""


class ResponsesModel(_ProviderModel, OpenAIResponsesModel):
    """A model of a Responses endpoint."""

    _speaks_chat = False


def library_model(kind: type[Model]) -> Any:
    """Return the class of a library's models, LiteLLM's or any-llm's, with the same behaviour."""
    speaks_chat = property(lambda model: not speaks_responses(model))
    return type(
        kind.__name__, (_ProviderModel, watch_chat_responses(kind, read_chat_response)), {"_speaks_chat": speaks_chat}
    )


def adopt(model: Model, endpoint: str) -> Model:
    """Return a model that the project's Python has made of the SDK's class, as one of ours."""
    ours = ChatCompletionsModel if isinstance(model, OpenAIChatCompletionsModel) else ResponsesModel
    adopted = copy.copy(model)
    adopted.__class__ = ours
    adopted.endpoint = endpoint  # type: ignore[attr-defined]
    return adopted


def endpoint_of(client: openai.AsyncOpenAI, model: str) -> str:
    """Return the name of an endpoint: where its requests go, and to which model."""
    return f"{client.base_url} {model}"
