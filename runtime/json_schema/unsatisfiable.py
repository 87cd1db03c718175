"""JSON Schemas that refuse everything: what they require is what they don't allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest

_ALLOWS_MORE = frozenset({"patternProperties", "$ref", "$dynamicRef"})


@dataclass(frozen=True, slots=True)
class Impossible:
    """A property that a schema requires and refuses: `path` leads to its name among the required ones.

    `is_certain` says that nothing can fit the schema as a whole; else a part of the data can't be there.
    """

    path: KeyPath
    name: str
    known: tuple[str, ...]
    is_certain: bool

    @property
    def message(self) -> str:
        """Say what can't be."""
        what = "no data can ever fit" if self.is_certain else "nothing can ever fit here"
        return f"{what}: {self.name!r} is required, and refused by 'additionalProperties: false'"

    @property
    def hint(self) -> str:
        """Say the way out."""
        return suggest(self.name, self.known) or "declare it in 'properties', or don't require it"

    @property
    def severity(self) -> Severity:
        """Say how bad it is."""
        return "error" if self.is_certain else "warning"


def find_impossible(schema: Any, path: KeyPath = (), *, is_certain: bool = True) -> Iterator[Impossible]:
    """Yield what an object's schema, or that of an object in it, requires and does not allow."""
    if not isinstance(schema, Mapping) or schema.keys() & _ALLOWS_MORE:
        return
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return
    if schema.get("additionalProperties") is False and _is_object(schema, path):
        for index, name in enumerate(required):
            if isinstance(name, str) and name not in properties:
                yield Impossible((*path, "required", index), name, tuple(properties), is_certain)
    for name, inner in properties.items():
        is_needed = is_certain and name in required and _is_object(schema, path)
        yield from find_impossible(inner, (*path, "properties", name), is_certain=is_needed)
    yield from find_impossible(schema.get("items"), (*path, "items"), is_certain=False)


def _is_object(schema: Mapping[str, Any], path: KeyPath) -> bool:
    # What a schema as a whole is for is an object in any case.
    return schema.get("type") == "object" or (not path and "type" not in schema)
