"""What the installed packages know of OpenAI's models: their names, their last days, and the SDK's settings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

from openai.types import audio_model, image_model
from openai.types.shared import all_models, chat_model

_SHUTDOWN = re.compile(r"shutdown\s+date:\s+(\d{4}-\d{2}-\d{2})")


def read_names() -> set[str]:
    """The names of all models, of every kind."""
    return {*_names(all_models.AllModels), *_names(audio_model.AudioModel), *_names(image_model.ImageModel)}


def read_shutdowns() -> dict[str, date]:
    """The day of each announced shutdown, from the texts that follow the types."""
    days: dict[str, date] = {}
    for module in (chat_model, audio_model, image_model):
        for entry in inspect.getsource(module).partition("Deprecated values:")[2].split("\n- "):
            names, announced, day = entry.partition("Announced")
            if match := _SHUTDOWN.search(announced + day):
                days |= dict.fromkeys(re.findall(r'"([^"]+)"', names), date.fromisoformat(match[1]))
    return days


def _names(kind: Any) -> Iterator[str]:
    for part in get_args(kind):
        if isinstance(part, str):
            yield part
        else:
            yield from _names(part)
