"""`output` of an agent -> the SDK's output type, and the widget or template that shows it to the user."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import AgentOutputSchema, AgentOutputSchemaBase, ModelBehaviorError, UserError
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.schemas import compile_schema, strict_form
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model.agents import Output
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template


@dataclass(frozen=True, slots=True)
class BuiltOutput:
    """The type of an agent's answer, and the widget or text that shows it."""

    type: AgentOutputSchemaBase
    widget: BuiltWidget | None
    text: Template | None

    def read(self, answer: str) -> dict[str, Any]:
        """Return the fields of an answer. Raise ModelBehaviorError if it is of another type."""
        value = self.type.validate_json(answer)
        dumped = value if isinstance(value, dict) else TypeAdapter(type(value)).dump_python(value, mode="json")
        return dumped if isinstance(dumped, dict) else {"output": dumped}


class JsonOutputSchema(AgentOutputSchemaBase):
    """An output type that is declared as a JSON Schema; strict where the schema allows it."""

    def __init__(self, name: str, schema: Mapping[str, Any], validator: Draft202012Validator) -> None:
        self._name, self._validator = name, validator
        strict = strict_form(schema)
        self._strict = strict is not None
        self._schema = dict(schema) if strict is None else strict

    def is_plain_text(self) -> bool:
        """Return False."""
        return False

    def name(self) -> str:
        """Return the name for the model's endpoint."""
        return self._name

    def json_schema(self) -> dict[str, Any]:
        """Return the schema for the model's endpoint."""
        return self._schema

    def is_strict_json_schema(self) -> bool:
        """Return whether the endpoint can enforce the schema."""
        return self._strict

    def validate_json(self, json_str: str) -> Any:
        """Return the value of an answer. Raise ModelBehaviorError if it does not match the schema."""
        try:
            value = json.loads(json_str)
        except json.JSONDecodeError as error:
            raise ModelBehaviorError(f"the answer is not valid JSON: {error}") from error
        for mismatch in self._validator.iter_errors(value):
            raise ModelBehaviorError(f"the answer does not fit: {mismatch.json_path}: {mismatch.message}")
        return value


def build_outputs(
    config: Config, code: ProjectCode, widget: Callable[[str], BuiltWidget], problems: Problems
) -> dict[str, BuiltOutput]:
    """Return the outputs by the agent's key; failures are recorded in `problems`."""
    built: dict[str, BuiltOutput] = {}
    for key, agent in config.agents.items():
        if agent.output is not None:
            with problems.record("A306", "agents", key, "output"):
                built[key] = _build(key, agent.output, code, widget)
    return built


def _build(key: str, entry: Output, code: ProjectCode, widget: Callable[[str], BuiltWidget]) -> BuiltOutput:
    built = widget(entry.widget) if entry.widget is not None else None
    text = Template.parse(entry.template) if entry.template is not None else None
    if entry.python is not None:
        return BuiltOutput(_by_python(entry.python, code), built, text)
    schema = entry.schema_ if entry.schema_ is not None else built.data_schema if built is not None else None
    if schema is None:
        raise BuildError("the answer has no schema", "give the widget its 'data', or the output a 'schema'")
    return BuiltOutput(JsonOutputSchema(f"{key}_output", schema, compile_schema(schema, "schema")), built, text)


def _by_python(path: str, code: ProjectCode) -> AgentOutputSchemaBase:
    value = code.resolve(path)
    if isinstance(value, AgentOutputSchemaBase):
        return value
    if not isinstance(value, type):
        raise BuildError(f"{path!r} is {type(value).__name__}, not a type", code="A324")
    try:
        return AgentOutputSchema(value)
    except UserError:
        return AgentOutputSchema(value, strict_json_schema=False)
