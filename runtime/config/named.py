"""Where agents.yaml names its models: every place, in one list, for whoever builds, checks or counts them."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.config.model import Config
from runtime.config.model.chat import ModelSummary, ModelTitle
from runtime.config.model.guardrails import JudgeGuardrail
from runtime.config.source import Path


def model_uses(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the name of each model that is used, and where; a name that stands twice comes twice."""
    for key, agent in config.agents.items():
        yield agent.model, ("agents", key, "model")
    for name, model in config.models.items():
        for index, other in enumerate(model.fallback):
            yield other, ("models", name, "fallback", index)
    for index, choice in enumerate(config.chat.composer.models):
        yield choice.model, ("chat", "composer", "models", index, "model")
    for name, guardrail in config.guardrails.items():
        if isinstance(guardrail, JudgeGuardrail):
            yield guardrail.judge, ("guardrails", name, "judge")
    if config.chat.dictation is not None and config.chat.dictation.model is not None:
        yield config.chat.dictation.model, ("chat", "dictation", "model")
    if isinstance(config.chat.title, ModelTitle):
        yield config.chat.title.model, ("chat", "title", "model")
    if isinstance(config.chat.history.summary, ModelSummary):
        yield config.chat.history.summary.model, ("chat", "history", "summary", "model")
