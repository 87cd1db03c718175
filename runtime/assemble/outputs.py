"""`output` of an agent -> the type of its answer, and the widget or template that shows it to the user."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents import Agent, AgentOutputSchema, AgentOutputSchemaBase, ModelBehaviorError, UserError
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.json_answers import json_in
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.schemas import compile_schema, read_json, strict_form
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model import agents as declared
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
        return self.fields(self.type.validate_json(answer))

    def fields(self, value: Any) -> dict[str, Any]:
        """Return the fields of an answer that is an object of Python."""
        dumped = value if isinstance(value, dict) else TypeAdapter(type(value)).dump_python(value, mode="json")
        return dumped if isinstance(dumped, dict) else {"output": dumped}

    def say(self, fields: Mapping[str, Any], context: RuntimeContext) -> str:
        """Return the text that the template makes of an answer; it has one if it has no widget. Raise TemplateError."""
        assert self.text is not None
        return str(self.text.render({**scope_of(context), "output": fields, **fields}))

    async def show(self, value: Any, context: RuntimeContext) -> None:
        """Show an answer that is an object of Python. Raise WidgetError, TemplateError."""
        fields = self.fields(value)
        if self.widget is None:
            await context.say(self.say(fields, context))
            return
        drawn = await self.widget.draw(fields)
        await context.stream_widget(drawn.root, drawn.copy_text)


def text_for_model(value: Any) -> str:
    """Return the result of an agent or tool as a model reads it: a text unchanged, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(to_jsonable_python(value, fallback=str), ensure_ascii=False)


class _LenientOutputSchema(AgentOutputSchemaBase):
    """An output type that also reads JSON inside a fence, after prose, or after thoughts."""

    def __init__(self, strict: AgentOutputSchemaBase) -> None:
        self._of = strict

    def is_plain_text(self) -> bool:
        return self._of.is_plain_text()

    def name(self) -> str:
        return self._of.name()

    def json_schema(self) -> dict[str, Any]:
        return self._of.json_schema()

    def is_strict_json_schema(self) -> bool:
        return self._of.is_strict_json_schema()

    def validate_json(self, json_str: str) -> Any:
        try:
            return self._of.validate_json(json_str)
        except ModelBehaviorError:
            for candidate in json_in(json_str):
                with suppress(ModelBehaviorError):
                    return self._of.validate_json(candidate)
            raise


class _JsonOutputSchema(AgentOutputSchemaBase):
    """An output type that is declared as a JSON Schema; strict where the schema allows it."""

    def __init__(self, name: str, schema: Mapping[str, Any], validator: Draft202012Validator) -> None:
        self._name, self._validator = name, validator
        strict = strict_form(schema)
        self._strict = strict is not None
        self._schema = dict(schema) if strict is None else strict

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return self._name

    def json_schema(self) -> dict[str, Any]:
        return self._schema

    def is_strict_json_schema(self) -> bool:
        return self._strict

    def validate_json(self, json_str: str) -> Any:
        return read_json(json_str, self._validator, "the answer", ModelBehaviorError)


def build_outputs(
    config: Config,
    code: ProjectCode,
    widget: Callable[[str], BuiltWidget],
    own: Mapping[str, Agent[Any]],
    problems: Problems,
) -> dict[str, BuiltOutput]:
    """Return the outputs by the agent's key; failures are recorded in `problems`."""
    built: dict[str, BuiltOutput] = {}
    for key, agent in config.agents.items():
        if agent.output is not None:
            with problems.record("A306", "agents", key, "output"):
                built[key] = _build_output(key, agent.output, code, widget, own.get(key))
    return built


def _build_output(
    key: str,
    entry: declared.Output,
    code: ProjectCode,
    widget: Callable[[str], BuiltWidget],
    own: Agent[Any] | None,
) -> BuiltOutput:
    built = widget(entry.widget) if entry.widget is not None else None
    text = Template.parse(entry.template) if entry.template is not None else None
    if entry.python is not None:
        return BuiltOutput(_lenient(_output_type(code.resolve(entry.python), entry.python)), built, text)
    if entry.schema_ is None and own is not None and own.output_type is not None:
        return BuiltOutput(_lenient(_output_type(own.output_type, key)), built, text)
    schema = entry.schema_ if entry.schema_ is not None else built.data_schema if built is not None else None
    if schema is None:
        raise BuildError("the answer has no schema", "give the widget its 'data', or the output a 'schema'")
    made = _JsonOutputSchema(f"{key}_output", schema, compile_schema(schema, "schema"))
    return BuiltOutput(_lenient(made), built, text)


def _lenient(schema: AgentOutputSchemaBase) -> AgentOutputSchemaBase:
    return schema if schema.is_plain_text() else _LenientOutputSchema(schema)


def _output_type(value: Any, path: str) -> AgentOutputSchemaBase:
    if isinstance(value, AgentOutputSchemaBase):
        return value
    if not isinstance(value, type):
        raise BuildError(f"{path!r} is {type(value).__name__}, not a type", code="A324")
    try:
        return AgentOutputSchema(value)
    except UserError:
        return AgentOutputSchema(value, strict_json_schema=False)
