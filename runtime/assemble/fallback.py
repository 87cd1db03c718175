"""A model with fallbacks: if it fails before its first output, the next model gets the request."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import openai
from agents import Model, ModelResponse, ModelSettings

from runtime.assemble.scripted_model import ScriptedConversation
from runtime.assemble.token_meter import ANSWERING_MODEL

logger = logging.getLogger("runtime.models")

_BEFORE_OUTPUT = frozenset({"response.created", "response.in_progress", "response.queued"})
_RETRYABLE_STATUSES = frozenset({408, 409, 429})


class FallbackModel(Model):
    """Asks a chain of models, each with its name for the log and its settings, until one answers."""

    def __init__(self, chain: Sequence[tuple[str, Model, ModelSettings]]) -> None:
        self._chain = list(chain)

    def for_agent(self, name: str) -> FallbackModel:
        """Return the chain for one agent: a script may have replies for that agent only."""
        if not any(isinstance(model, ScriptedConversation) for _, model, _ in self._chain):
            return self
        return FallbackModel(
            [
                (key, model.for_agent(name) if isinstance(model, ScriptedConversation) else model, settings)
                for key, model, settings in self._chain
            ]
        )

    @property
    def models(self) -> Sequence[Model]:
        """The models, in order."""
        return [model for _, model, _ in self._chain]

    @property
    def primary(self) -> Model:
        """The first model."""
        return self._chain[0][1]

    async def close(self) -> None:
        """Do nothing: the models are shared."""

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        """Return the first response. Raise the exception of the last model."""
        for index, (name, model, _) in enumerate(self._chain):
            settings = self._settings(index, model_settings)
            try:
                response = await model.get_response(system_instructions, input, settings, *args, **kwargs)
                ANSWERING_MODEL.set(model)
                return response
            except Exception as error:
                self._continue_after(index, name, error)
        raise AssertionError("the last model returns or raises")

    async def stream_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream the response of the first model that starts one. An error after its first output is raised."""
        for index, (name, model, _) in enumerate(self._chain):
            settings = self._settings(index, model_settings)
            held: list[Any] = []
            started = False
            try:
                async for event in model.stream_response(system_instructions, input, settings, *args, **kwargs):
                    if not started and event.type in _BEFORE_OUTPUT:
                        held.append(event)
                        continue
                    started = True
                    while held:
                        yield held.pop(0)
                    yield event
                for event in held:
                    yield event
                ANSWERING_MODEL.set(model)
                return
            except Exception as error:
                if started:
                    raise
                self._continue_after(index, name, error)

    def _settings(self, index: int, requested: ModelSettings) -> ModelSettings:
        """Return the settings for one model: those that equal the first model's defaults become its own defaults."""
        if index == 0:
            return requested
        first, own = self._chain[0][2], self._chain[index][2]
        fields = [field.name for field in dataclasses.fields(ModelSettings)]
        changed = {name: getattr(own, name) for name in fields if getattr(requested, name) == getattr(first, name)}
        return dataclasses.replace(requested, **changed)

    def _continue_after(self, index: int, name: str, error: Exception) -> None:
        if index + 1 == len(self._chain) or not is_retryable(error):
            raise error
        next_name = self._chain[index + 1][0]
        logger.warning("model %r failed, asking %r: %s: %s", name, next_name, type(error).__name__, error)


def is_retryable(error: Exception) -> bool:
    """Return whether the request may succeed at another model or later: False if the request itself was rejected."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _RETRYABLE_STATUSES or status >= 500
    return isinstance(error, openai.APIConnectionError | TimeoutError | ConnectionError | httpx.TransportError)
