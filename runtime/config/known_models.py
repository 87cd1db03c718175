"""What is known of OpenAI's models: when they shut down, what they are for, what they accept, what they cost.

The table is openai_models.json, with its sources and the day it was read. It holds for OpenAI's own endpoint only:
another one may serve a model of the same name for longer, or accept more.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

from runtime.diagnostics.diagnostic import Severity

_DAY = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_FINE_TUNED = "ft:"
_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens: of input, of input that the provider has cached, and of output."""

    input: float
    cached: float
    output: float


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of OpenAI's.

    `shutdown` is the first day on which calls fail; `replacement` is the model that OpenAI recommends, if it does.
    `efforts` are those that the model accepts: empty if it does not reason, None if they are unknown. `default_effort`
    applies where no `reasoning` is set. `function_tools` says when the Chat Completions API accepts functions.
    """

    name: str
    kind: str = "chat"
    shutdown: date | None = None
    replacement: str = ""
    responses_only: bool = False
    efforts: tuple[str, ...] | None = None
    default_effort: str = ""
    function_tools: Literal["always", "without effort", "never"] = "always"
    prices: Prices | None = None

    def is_shut_down(self, today: date) -> bool:
        """Return whether calls fail on this day."""
        return self.shutdown is not None and self.shutdown <= today


def known_model(name: str) -> KnownModel | None:
    """Return what is known of a model.

    A snapshot (`gpt-5-2025-08-07`) accepts and costs what its model does, and so does a snapshot that is not listed,
    whose shutdown is unknown. A fine-tuned model (`ft:gpt-4.1-mini:acme::x1`) is shut down with its base model; what
    it costs is another matter.
    """
    if name.startswith(_FINE_TUNED):
        return _fine_tuned(name)
    rows = _table()["models"]
    base = _DAY.sub("", name)
    if name not in rows and base not in rows:
        return None
    # The dates are each snapshot's own.
    row = {key: value for key, value in rows.get(base, {}).items() if key not in ("shutdown", "replacement")}
    return _model(name, row | rows.get(name, {}))


def known_names() -> tuple[str, ...]:
    """Return the names of all known models, of every kind."""
    return tuple(_table()["models"])


def stored_prompts_shutdown() -> date:
    """Return the first day on which OpenAI no longer has stored prompts (`pmpt_…`)."""
    return date.fromisoformat(_table()["stored_prompts_shutdown"])


def describe_shutdown(name: str, day: date, replacement: str, today: date) -> tuple[Severity, str, str]:
    """Return how a diagnostic says that a model is shut down on a day: its severity, its message and its hint."""
    hint = f"OpenAI recommends {replacement} instead" if replacement else "choose another model"
    if day <= today:
        return "error", f"the model {name!r} was shut down on {day}: every call fails", hint
    return "warning", f"the model {name!r} shuts down on {day}", hint


def is_openai_address(base_url: str) -> bool:
    """Return whether an address is OpenAI's own, in any of its regions."""
    host = urlsplit(base_url).hostname or ""
    return host == _HOST or host.endswith(f".{_HOST}")


def _fine_tuned(name: str) -> KnownModel | None:
    base = known_model(name.split(":")[1])
    if base is None:
        return None
    return KnownModel(name, base.kind, base.shutdown, base.replacement)


def _model(name: str, row: Mapping[str, Any]) -> KnownModel:
    shutdown, efforts, price = row.get("shutdown"), row.get("efforts"), row.get("price")
    return KnownModel(
        name=name,
        kind=row.get("kind", "chat"),
        shutdown=date.fromisoformat(shutdown) if shutdown else None,
        replacement=row.get("replacement", ""),
        responses_only=row.get("api") == "responses",
        efforts=None if efforts is None else tuple(efforts),
        default_effort=row.get("default_effort", ""),
        function_tools=row.get("function_tools", "always"),
        prices=Prices(*price) if price else None,
    )


@functools.cache
def _table() -> Mapping[str, Any]:
    # Most projects need no list of models: it is read on the first use.
    table: dict[str, Any] = json.loads((files("runtime.config") / "openai_models.json").read_text(encoding="utf-8"))
    return table
