"""What runtime/validation/openai_models.json holds: the models that the installed OpenAI package lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from openai.types.shared.all_models import AllModels


def read_models() -> list[str]:
    return sorted(set(_names(AllModels)))


def _names(kind: Any) -> Iterator[str]:
    for part in get_args(kind):
        if isinstance(part, str):
            yield part
        else:
            yield from _names(part)
