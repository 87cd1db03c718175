"""The building blocks of every section: strict frozen models, short forms, durations and sizes."""

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

# Three engines read these patterns (pydantic, Python, editors): use only syntax that is the same in all of them.
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
POSITIVE_DURATION_PATTERN = DURATION_PATTERN.replace("^", "^(?![0.]+[a-z])")
SIZE_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(B|KB|MB|GB|KiB|MiB|GiB)$"
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
IMPORT_PATTERN = rf"^{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*$"
TOOL_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION = re.compile(DURATION_PATTERN)
_SIZE = re.compile(SIZE_PATTERN)


def parse_duration(value: Any) -> Any:
    """Convert `10s` or `5m` to seconds; return any other value unchanged, for the type to validate."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return float(value.removesuffix(match[2])) * _SECONDS[match[2]]
    return value


def parse_size(value: Any) -> Any:
    """Convert `512KiB` or `20MB` to bytes; return any other value unchanged, for the type to validate."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(float(value.removesuffix(match[2])) * _BYTES[match[2]])
    return value


def _or_text(number: dict[str, Any], pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": pattern}]})


Duration = Annotated[
    float,
    Field(ge=0, strict=True, allow_inf_nan=False),
    BeforeValidator(parse_duration),
    _or_text({"type": "number", "minimum": 0}, DURATION_PATTERN),
]
"""Seconds; written `250ms`, `10s`, `5m`, `1h`, `2d`, or a bare number of seconds."""

PositiveDuration = Annotated[
    Duration, Field(gt=0), _or_text({"type": "number", "exclusiveMinimum": 0}, POSITIVE_DURATION_PATTERN)
]
"""A duration above zero."""

Size = Annotated[
    int,
    Field(ge=0, strict=True),
    BeforeValidator(parse_size),
    _or_text({"type": "integer", "minimum": 0}, SIZE_PATTERN),
]
"""Bytes; written `512KiB`, `20MiB`, `1GB`, or a bare number of bytes."""

ImportPath = Annotated[str, Field(pattern=IMPORT_PATTERN, examples=["tools.weather:get_weather"])]
"""A Python object, `package.module:name`, looked up from the project folder first."""


class SecretMark:
    """Marks a field whose value is never printed, logged or served."""


_CONDITION_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse_condition(value: Any) -> Any:
    """Convert `yes`, `no`, `on` and `off`, which are texts in YAML 1.2, to booleans; return other values unchanged."""
    return _CONDITION_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


Condition = Annotated[bool | Annotated[str, Field(min_length=1)], BeforeValidator(parse_condition)]
"""True, false, or a template of one expression, such as `"{{ user.name == 'Ida' }}"`."""

Secret = Annotated[str, SecretMark(), Field(json_schema_extra={"writeOnly": True})]
"""A string that is secret; usually written `${NAME}`."""

Roles = Annotated[list[str], Field(min_length=1)]
"""Names of roles; a user needs one of them."""

JsonSchema = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]
"""A JSON Schema (Draft 2020-12) of an object."""


class Section(BaseModel):
    """A mapping of the file: frozen, and an unknown key is an error."""

    # Only the validator of the whole file is built: one per section would take most of the time of `validate`.
    # runtime/config/schema.py reads the docstrings of the fields: pydantic would parse the source of every class.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=(), defer_build=True)


class ShortFormSection(Section):
    """A mapping with a short form: a string is short for a mapping with the key `short_key`."""

    short_key: ClassVar[str]
    short_needed: ClassVar[bool]

    def __init_subclass__(cls, *, short_key: str, short_needed: bool = True, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.short_key, cls.short_needed = short_key, short_needed

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
        # The short key selects the kind of a mapping, so the schema requires it even if the model has a default.
        if cls.short_needed:
            resolved["required"] = sorted({*resolved.get("required", []), cls.short_key})
        mapping = dict(resolved)
        resolved.clear()
        resolved["anyOf"] = [short_form, mapping]
        return long_form


class MadeObject(ShortFormSection, short_key="python"):
    """An object of your own, or the class that makes it once."""

    python: ImportPath
    """The import path of the object, or of its class; for `state` also of a function that returns it."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the class or function."""


def by_key(*keys: str, short: str | None = None) -> Discriminator:
    """Return a discriminator that selects the kind of an entry by the key that is present; a string is `short`."""

    def kind_of(value: Any) -> str | None:
        if isinstance(value, str):
            return short
        if isinstance(value, dict):
            return next((key for key in keys if key in value), None)
        return next((key for key in keys if key in getattr(type(value), "model_fields", ())), None)

    return Discriminator(kind_of)
