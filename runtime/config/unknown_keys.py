"""Unknown keys: the key that was probably meant, by the words of other frameworks and by the levels of the schema."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.schema import config_schema, resolve
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.document import read_yaml
from runtime.documents.parser import resolve_plain

_SHORT = 40
_PLAIN = re.compile(r"[\w$./](?:[\w$ ./@*-]|:(?=\S))*")


class _Tables(NamedTuple):
    """The tables of unknown_keys.yaml, by kind of mapping and by unknown key; `values` by path and by type."""

    synonyms: dict[str, dict[str, str]]
    advice: dict[str, dict[str, str]]
    values: dict[str, dict[str, str]]


@functools.cache
def _known_elsewhere() -> _Tables:
    file = Path(__file__).with_suffix(".yaml")
    tables = read_yaml(file.read_text(encoding="utf-8"), file.name).data
    synonyms: dict[str, dict[str, str]] = {}
    for kind, keys in tables["synonyms"].items():
        synonyms[kind] = {word: key for key, words in keys.items() for word in words}
    return _Tables(synonyms, tables["advice"], tables["values"])


def translate(path: KeyPath, known: Iterable[str]) -> str | None:
    """Return the key among `known` that corresponds to a key of another framework, the last step of `path`."""
    word = _known_elsewhere().synonyms.get(_kind(path), {}).get(str(path[-1]))
    return word if word in set(known) else None


def has_advice(path: KeyPath) -> bool:
    """Return whether there is advice of its own for the unknown key at `path`."""
    return str(path[-1]) in _known_elsewhere().advice.get(_kind(path), {})


def advise(path: KeyPath, known: Mapping[str, Any]) -> str:
    """Return where an unknown key of a mapping with the `known` properties belongs, what to write instead, or ''."""
    kind, key = _kind(path), str(path[-1])
    synonyms, advice, _ = _known_elsewhere()
    if text := advice.get(kind, {}).get(key):
        return text
    word = synonyms.get(kind, {}).get(key, key)
    inner = [name for name, part in known.items() if any(word in form for form in _inside(part, in_entries=not kind))]
    if len(inner) == 1:
        place = f"an entry of {inner[0]!r}" if not kind and inner[0] in NAMED_SECTIONS else repr(inner[0])
        return f"it belongs in {place}" if word == key else f"did you mean {word!r} in {inner[0]!r}?"
    if word != key:
        return f"it is {word!r} here" if word in known else f"entries of another kind have {word!r}"
    return _higher(path, key)


def advise_value(path: KeyPath, value: Any) -> str:
    """Return how to write a value whose type is wrong at `path`, with the value itself where it is short; or ''."""
    steps = [step if isinstance(step, str) else "*" for step in path]
    if len(steps) > 1 and steps[0] in NAMED_SECTIONS:
        steps[1] = "*"
    types = _known_elsewhere().values.get(".".join(steps), {})
    text = types.get("any") or types.get(_type_name(value), "")
    return text.replace("VALUE", as_yaml(value) or "…")


def as_yaml(value: Any) -> str:
    """Return a number or a short text as it is written between brackets; empty for anything else."""
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str) or "\n" in value or len(value) > _SHORT:
        return ""
    is_plain = _PLAIN.fullmatch(value) and resolve_plain(value) == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "mapping"}
    return names.get(type(value), "nothing")


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A model of another provider: its `name` for the key `kind`, and the `keys` that it is made of."""

    kind: str
    name: str
    keys: tuple[str, ...]


_PROVIDER_KEYS = ("provider", "api_type", "vendor", "backend", "type")
# Providers that any-llm calls by another name.
_PROVIDERS = {
    **dict.fromkeys(("google", "google_genai", "google-genai", "google_ai"), "gemini"),
    **dict.fromkeys(("amazon_bedrock", "amazon-bedrock", "aws"), "bedrock"),
    **dict.fromkeys(("vertex_ai", "vertex", "google_vertexai"), "vertexai"),
    "mistralai": "mistral",
}
_MODEL_KEYS = ("model", "model_name", "model_id", "name", "id", "deployment")


def model_of_another_provider(path: KeyPath, value: Mapping[str, Any]) -> ForeignModel | None:
    """Return the model that an entry such as `{provider: anthropic, model: …}` of `models` means; None for others."""
    if len(path) != 2 or path[0] != "models":
        return None
    texts = {key for key, item in value.items() if isinstance(item, str)}
    of = next((key for key in _PROVIDER_KEYS if key in texts), None)
    named = next((key for key in _MODEL_KEYS if key in texts), None)
    if of is None or named is None or not texts.isdisjoint(("any_llm", "litellm", "scripted", "python")):
        return None
    keys, provider, model = (of, named), value[of].lower(), value[named]
    if provider.startswith(("openai", "azure")):
        return ForeignModel("name", model, tuple(key for key in keys if key != "name"))
    provider = _PROVIDERS.get(provider, provider)
    name = model if model.startswith(f"{provider}/") else f"{provider}/{model}"
    return ForeignModel("any_llm", name, keys)


def _higher(path: KeyPath, key: str) -> str:
    properties = config_schema()["properties"]
    if len(path) > 2 and path[0] in NAMED_SECTIONS and path[1] in properties:
        return f"{path[1]!r} is a top-level section: check its indentation"
    for level in range(len(path) - 2, 0, -1):
        if any(key in form for form in _forms(path[:level])):
            return f"it belongs one level up, beside {path[level]!r}"
    return f"{key!r} is a top-level section: check its indentation" if len(path) > 1 and key in properties else ""


def _kind(path: KeyPath) -> str:
    if len(path) < 2:
        return ""
    names = [step for step in path[2:-1] if isinstance(step, str)] if path[0] in NAMED_SECTIONS else []
    return str(names[-1] if names else path[0])


def _inside(part: dict[str, Any], *, in_entries: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the properties of the mappings that a property holds: itself, in a list, or as the entries of a section."""
    for form in schema_forms(part):
        if "properties" in form:
            yield form["properties"]
        if isinstance(items := form.get("items"), dict):
            yield from (inner["properties"] for inner in schema_forms(items) if "properties" in inner)
        if in_entries and isinstance(more := form.get("additionalProperties"), dict):
            yield from (inner["properties"] for inner in schema_forms(more) if "properties" in inner)


def _forms(path: KeyPath) -> Iterator[Mapping[str, Any]]:
    """Yield the properties of every mapping that the schema allows at `path`."""
    parts: list[dict[str, Any]] = [config_schema()]
    for step in path:
        following: list[dict[str, Any]] = []
        for form in (form for part in parts for form in schema_forms(part)):
            more = form.get("items") if isinstance(step, int) else form.get("properties", {}).get(step)
            more = more or (form.get("additionalProperties") if isinstance(step, str) else None)
            following += [more] if isinstance(more, dict) else []
        parts = following
    yield from (form["properties"] for part in parts for form in schema_forms(part) if "properties" in form)


def schema_forms(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas that a part of the schema of agents.yaml is a union of, or itself, references resolved."""
    resolved = resolve(part, config_schema())
    branches = resolved.get("anyOf") or resolved.get("oneOf")
    if not branches:
        yield resolved
    for branch in branches or ():
        yield from schema_forms(branch)
