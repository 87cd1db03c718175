"""Recognises a file of another system as a whole, which one report then explains in place of one for each key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.config.references import find_values
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.documents.document import Source, read_yaml


def recognise(source: Source) -> Diagnostic | None:
    """Return the report on a file of another system; None for any other file, and for one with `version: 1`."""
    data = source.data
    if not isinstance(data, dict) or data.get("version") == 1:
        return None
    file = Path(__file__).with_suffix(".yaml")
    for system, known in read_yaml(file.read_text(encoding="utf-8"), file.name).data.items():
        if any(all(find_values(data, path) for path in sign) for sign in known["signs"]):
            words = set(_words(data))
            parts = [text for word, text in known["parts"].items() if word in words]
            hint = "; ".join([*parts, "start with 'version: 1' and 'agents'"])
            message = f"this is a file of {system}, and no agents.yaml"
            return source.places.diagnostic("A111", (next(iter(data)),), message, hint, at_key=True)
    return None


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
