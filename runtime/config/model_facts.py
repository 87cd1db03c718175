"""What follows from the entry of a model: whether it is at OpenAI, and what its tokens cost."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.config.known_models import Prices, is_openai_address, known_model
from runtime.config.model.models import Model, OpenAIModel


def is_openais_model(model: OpenAIModel, environ: Mapping[str, str]) -> bool:
    """Return whether a model is at OpenAI, rather than at a compatible endpoint."""
    base_url = model.base_url or environ.get("OPENAI_BASE_URL")
    return not base_url or is_openai_address(base_url)


def model_prices(model: Model, environ: Mapping[str, str]) -> Prices | None:
    """Return what a model's tokens cost: by its entry, else by the table of OpenAI's models; None if it is unknown."""
    declared = model.price
    if declared is not None:
        cached = declared.input if declared.cached is None else declared.cached
        return Prices(declared.input, cached, declared.output)
    if not isinstance(model, OpenAIModel) or not is_openais_model(model, environ):
        return None
    known = known_model(model.name)
    return known.prices if known is not None else None
