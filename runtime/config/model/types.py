"""The building blocks of every section: strict frozen models, short forms, and the scalars people write."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

# Patterns are read by three engines (pydantic, Python, editors): only what means the same in all of them.
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
POSITIVE_DURATION_PATTERN = DURATION_PATTERN.replace("^", "^(?![0.]+[a-z])")
SIZE_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(B|KB|MB|GB|KiB|MiB|GiB)$"
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
IMPORT_PATTERN = rf"^{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*$"
TOOL_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<unit>ms|s|m|h|d)")
_SIZE = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<unit>B|KB|MB|GB|KiB|MiB|GiB)")


def parse_duration(value: Any) -> Any:
    """Turn `10s`, `5m` or a bare number into seconds; leave anything else for the type to refuse."""
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        return float(found["number"]) * _SECONDS[found["unit"]]
    return value


def parse_size(value: Any) -> Any:
    """Turn `512KiB`, `20MB` or a bare number into bytes; leave anything else for the type to refuse."""
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        return int(float(found["number"]) * _BYTES[found["unit"]])
    return value


Duration = Annotated[
    float,
    Field(ge=0, strict=True, allow_inf_nan=False),
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": DURATION_PATTERN}]}),
]
"""Seconds; written `250ms`, `10s`, `5m`, `1h`, `2d`, or a bare number of seconds."""

PositiveDuration = Annotated[
    Duration,
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": POSITIVE_DURATION_PATTERN},
            ]
        }
    ),
]
"""A duration that is more than nothing."""

Size = Annotated[
    int,
    Field(ge=0, strict=True),
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": SIZE_PATTERN}]}),
]
"""Bytes; written `512KiB`, `20MiB`, `1GB`, or a bare number of bytes."""

ImportPath = Annotated[str, Field(pattern=IMPORT_PATTERN, examples=["tools.weather:get_weather"])]
"""A Python object, `package.module:name`, looked up from the project folder first."""


class SecretMark:
    """Marks a field whose value is never printed, logged or served."""


Secret = Annotated[str, SecretMark(), Field(json_schema_extra={"writeOnly": True})]
"""A string that is secret; usually written `${NAME}`."""

JsonSchema = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]
"""A JSON Schema (Draft 2020-12) of an object."""


class Section(BaseModel):
    """A mapping of the file: frozen, and an unknown key is an error."""

    # A validator of its own for each section would be most of the time that `validate` takes; the file's is enough.
    # Nor are the docstrings of the fields read here: that parses every class again (see runtime/config/schema.py).
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=(), defer_build=True)


class ShortFormSection(Section):
    """A named entry that may be written short: a string stands for a mapping with the key `short_key`."""

    short_key: ClassVar[str]
    short_pattern: ClassVar[str | None] = None
    short_needed: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, value: Any) -> Any:
        return {cls.short_key: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long_form = handler(core_schema)
        resolved = handler.resolve_ref_schema(long_form)
        inner = resolved["properties"][cls.short_key]
        text = next(kind for kind in [inner, *inner.get("anyOf", [])] if kind.get("type") == "string")
        short_form = {key: value for key, value in text.items() if key not in ("title", "default")}
        short_form["description"] = f"Short for `{{{cls.short_key}: …}}`."
        # The short key says which kind of entry a mapping is, even where the model has a default for it.
        if cls.short_needed:
            resolved["required"] = sorted({*resolved.get("required", []), cls.short_key})
        mapping = dict(resolved)
        resolved.clear()
        resolved["anyOf"] = [short_form, mapping]
        return long_form


def by_key(*keys: str, short: str | None = None) -> Discriminator:
    """Tell the kinds of an entry apart by the one key that is present; a string is the kind `short`."""

    def kind_of(value: Any) -> str | None:
        if isinstance(value, str):
            return short
        if isinstance(value, dict):
            return next((key for key in keys if key in value), None)
        return next((key for key in keys if key in getattr(type(value), "model_fields", ())), None)

    return Discriminator(kind_of)
