"""A chain of models, of which the next one is asked if one fails before its first output."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace
from typing import Any

from agents import ModelResponse, ModelSettings
from agents.models.interface import Model

from runtime.assemble.model_failures import may_answer_elsewhere, words_of
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.assemble.token_meter import ANSWERING_MODEL

logger = logging.getLogger("runtime.models")

_BEFORE_OUTPUT = frozenset({"response.created", "response.in_progress", "response.queued"})


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
        names = [setting.name for setting in fields(ModelSettings)]
        changed = {name: getattr(own, name) for name in names if getattr(requested, name) == getattr(first, name)}
        return replace(requested, **changed)

    def _continue_after(self, index: int, name: str, error: Exception) -> None:
        if index + 1 == len(self._chain) or not may_answer_elsewhere(error):
            raise error
        next_name = self._chain[index + 1][0]
        logger.warning("model %r failed, asking %r: %s: %s", name, next_name, type(error).__name__, words_of(error))
