"""A model with others behind it: where it can't be reached, the next one answers, if not a word has been said yet."""

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

_BEFORE_ANYTHING = frozenset({"response.created", "response.in_progress", "response.queued"})
_PASSING = frozenset({408, 409, 429})


class FallbackModel(Model):
    """Asks its models in turn; each has a name for the log, and settings of its own."""

    def __init__(self, chain: Sequence[tuple[str, Model, ModelSettings]]) -> None:
        self._chain = list(chain)

    def for_agent(self, name: str) -> FallbackModel:
        """The same models as one agent uses them: a script may have replies for that agent alone."""
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
        """The models, in the order in which they are asked."""
        return [model for _, model, _ in self._chain]

    @property
    def primary(self) -> Model:
        """The model that is asked first."""
        return self._chain[0][1]

    async def close(self) -> None:
        """Nothing: the models are not this one's alone."""

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        """Ask until one answers. Raise what the last one raised."""
        for index, (name, model, _) in enumerate(self._chain):
            settings = self._settings(index, model_settings)
            try:
                response = await model.get_response(system_instructions, input, settings, *args, **kwargs)
                ANSWERING_MODEL.set(model)
                return response
            except Exception as error:
                self._go_on(index, name, error)
        raise AssertionError("the last model either answers or raises")

    async def stream_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream from the first that answers. An error after the first word is the answer's own."""
        for index, (name, model, _) in enumerate(self._chain):
            settings = self._settings(index, model_settings)
            waiting: list[Any] = []
            begun = False
            try:
                async for event in model.stream_response(system_instructions, input, settings, *args, **kwargs):
                    if not begun and event.type in _BEFORE_ANYTHING:
                        waiting.append(event)
                        continue
                    begun = True
                    while waiting:
                        yield waiting.pop(0)
                    yield event
                for event in waiting:
                    yield event
                ANSWERING_MODEL.set(model)
                return
            except Exception as error:
                if begun:
                    raise
                self._go_on(index, name, error)

    def _settings(self, index: int, asked: ModelSettings) -> ModelSettings:
        """The settings for one model: what the agent asks for, and of the rest the model's own, not the first one's."""
        if index == 0:
            return asked
        first, own = self._chain[0][2], self._chain[index][2]
        fields = [field.name for field in dataclasses.fields(ModelSettings)]
        changed = {name: getattr(own, name) for name in fields if getattr(asked, name) == getattr(first, name)}
        return dataclasses.replace(asked, **changed)

    def _go_on(self, index: int, name: str, error: Exception) -> None:
        if index + 1 == len(self._chain) or not may_pass(error):
            raise error
        following = self._chain[index + 1][0]
        logger.warning("model %r failed, %r is asked: %s: %s", name, following, type(error).__name__, error)


def may_pass(error: Exception) -> bool:
    """Tell whether another model, or another time, may do what failed: not where the request itself was refused."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _PASSING or status >= 500
    passing = (openai.APIConnectionError, TimeoutError, ConnectionError, httpx.TransportError)
    return isinstance(error, passing)
