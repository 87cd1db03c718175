"""An agent's `output` -> the type that the SDK asks of the model, and what the user is shown of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import AgentOutputSchema, AgentOutputSchemaBase, ModelBehaviorError, UserError
from agents.strict_schema import ensure_strict_json_schema
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.schemas import compile_schema
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model.output import Output
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template


@dataclass(frozen=True, slots=True)
class BuiltOutput:
    """The shape of an agent's answer, and how it is shown: by a widget, or as a text."""

    shape: AgentOutputSchemaBase
    widget: BuiltWidget | None
    text: Template | None

    def read(self, answer: str) -> dict[str, Any]:
        """The fields of an answer. Raise ModelBehaviorError where it has another shape."""
        value = self.shape.validate_json(answer)
        dumped = value if isinstance(value, dict) else TypeAdapter(type(value)).dump_python(value, mode="json")
        return dumped if isinstance(dumped, dict) else {"output": dumped}


class JsonShape(AgentOutputSchemaBase):
    """An output type that is declared as a JSON Schema; strict where the schema allows it."""

    def __init__(self, name: str, schema: Mapping[str, Any], validator: Draft202012Validator) -> None:
        self._name, self._validator = name, validator
        try:
            strict = ensure_strict_json_schema(copy.deepcopy(dict(schema)))
            self._strict = set(schema.get("required", [])) == set(schema.get("properties", {}))
        except UserError:
            strict, self._strict = dict(schema), False
        self._schema = strict if self._strict else dict(schema)

    def is_plain_text(self) -> bool:
        """It never is."""
        return False

    def name(self) -> str:
        """The name that the model's endpoint is given."""
        return self._name

    def json_schema(self) -> dict[str, Any]:
        """The schema, in the form that the model's endpoint wants."""
        return self._schema

    def is_strict_json_schema(self) -> bool:
        """Whether the endpoint can hold the model to the schema."""
        return self._strict

    def validate_json(self, json_str: str) -> Any:
        """The value of an answer. Raise ModelBehaviorError where it does not fit."""
        try:
            value = json.loads(json_str)
        except json.JSONDecodeError as error:
            raise ModelBehaviorError(f"the answer is no JSON: {error}") from error
        for wrong in self._validator.iter_errors(value):
            raise ModelBehaviorError(f"the answer does not fit: {wrong.json_path}: {wrong.message}")
        return value


def build_outputs(
    config: Config, code: ProjectCode, widget: Callable[[str], BuiltWidget], problems: Problems
) -> dict[str, BuiltOutput]:
    """Build the outputs of the agents that declare one, by the agent's key; failures are recorded in `problems`."""
    built: dict[str, BuiltOutput] = {}
    for key, agent in config.agents.items():
        if agent.output is not None:
            with problems.record("A306", "agents", key, "output"):
                built[key] = _build(key, agent.output, code, widget)
    return built


def _build(key: str, entry: Output, code: ProjectCode, widget: Callable[[str], BuiltWidget]) -> BuiltOutput:
    shown = widget(entry.widget) if entry.widget is not None else None
    text = Template.parse(entry.template) if entry.template is not None else None
    if entry.python is not None:
        return BuiltOutput(_by_python(entry.python, code), shown, text)
    schema = entry.schema_ if entry.schema_ is not None else shown.data_schema if shown is not None else None
    if schema is None:
        raise BuildError("the answer has no shape", "give the widget its 'data', or the output a 'schema'")
    return BuiltOutput(JsonShape(f"{key}_output", schema, compile_schema(schema, "schema")), shown, text)


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
