"""Tools that need no Python: they show a widget, ask the user, call the browser, or change the thread."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents import FunctionTool
from agents.tool_context import ToolContext
from chatkit.types import (
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
)
from jsonschema import Draft202012Validator

from runtime.assemble.context import RuntimeContext, ToolFailure, record_failure, scope_of
from runtime.assemble.schemas import compile_schema, strict_form
from runtime.assemble.widgets import BuiltWidget, WidgetError
from runtime.config.model import tools as declared
from runtime.templates.template import Template, TemplateError

Run = Callable[[RuntimeContext, str], Awaitable[str]]
"""Carries out a call with arguments in JSON and returns the output for the model. Raises ToolFailure."""

_THREAD_DESCRIPTIONS = {
    "lock": "Let nobody write in this conversation.",
    "close": "End this conversation.",
    "open": "Open it.",
}


def widget_tool(name: str, entry: declared.WidgetTool, widget: BuiltWidget) -> FunctionTool:
    """Make a tool that shows a widget; its arguments are the widget's data."""
    schema = widget.data_schema or {"type": "object", "properties": {}, "additionalProperties": True}

    async def run(context: RuntimeContext, arguments: str) -> str:
        try:
            data = json.loads(arguments or "{}")
            await context.stream_widget(await widget.arender(data), widget.copy_text(data))
        except (json.JSONDecodeError, WidgetError) as error:
            raise ToolFailure(f"The widget could not be shown: {error}") from error
        return "The widget was shown to the user."

    return _make_tool(name, entry.description or f"Show the widget {widget.name}.", schema, run)


def effect_tool(name: str, entry: declared.EffectTool) -> FunctionTool:
    """Make a tool that sends a client effect to the browser."""
    validator = compile_schema(entry.parameters, "parameters")

    async def run(context: RuntimeContext, arguments: str) -> str:
        await context.effect(entry.effect, _read_arguments(validator, arguments))
        return "Done."

    return _make_tool(name, entry.description or entry.effect, entry.parameters, run)


def client_tool(name: str, entry: declared.ClientTool) -> FunctionTool:
    """Make a tool that runs in the browser."""
    validator = compile_schema(entry.parameters, "parameters")

    async def run(context: RuntimeContext, arguments: str) -> str:
        await context.call_client(entry.client, _read_arguments(validator, arguments))
        return ""

    return _make_tool(name, entry.description or entry.client, entry.parameters, run)


def thread_tool(name: str, entry: declared.ThreadTool) -> FunctionTool:
    """Make a tool that locks, closes or reopens the thread."""
    template = Template.parse(entry.reason) if entry.reason else None

    async def run(context: RuntimeContext, arguments: str) -> str:
        reason = str(template.render(scope_of(context))) if template is not None else None
        match entry.thread:
            case "lock":
                context.lock_thread(reason)
            case "close":
                context.close_thread(reason)
            case "open":
                context.open_thread()
        return "Done."

    schema: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    return _make_tool(name, entry.description or _THREAD_DESCRIPTIONS[entry.thread], schema, run)


def ask_tool(name: str, entry: declared.AskTool) -> FunctionTool:
    """Make a tool that asks the user questions; the answers are the user's next message."""
    validator = compile_schema(entry.parameters, "parameters")
    questions = [_Question.parse(question) for question in entry.ask]

    async def run(context: RuntimeContext, arguments: str) -> str:
        scope = {**scope_of(context), "args": _read_arguments(validator, arguments)}
        try:
            inputs = [question.render(scope) for question in questions]
        except TemplateError as error:
            raise ToolFailure(f"The questions could not be asked: {error}") from error
        await context._add_item(StructuredInputItem, inputs=inputs)
        return "The user was asked; the answers follow."

    texts = "; ".join(question.question for question in entry.ask)
    return _make_tool(name, entry.description or f"Ask the user: {texts}", entry.parameters, run)


@dataclass(frozen=True, slots=True)
class _Question:
    id: str
    text: Template
    description: Template | None
    options: tuple[Template, ...]
    multiple: bool

    @classmethod
    def parse(cls, entry: declared.Question) -> _Question:
        description = Template.parse(entry.description) if entry.description else None
        options = tuple(Template.parse(option) for option in entry.options)
        return cls(entry.id, Template.parse(entry.question), description, options, entry.multiple)

    def render(self, scope: Mapping[str, Any]) -> Any:
        text = str(self.text.render(scope))
        if not self.options:
            description = str(self.description.render(scope)) if self.description is not None else None
            return StructuredInputFreeform(id=self.id, question=text, description=description)
        options = [StructuredInputMultipleChoiceOption(value=value) for value in _option_values(self.options, scope)]
        return StructuredInputMultipleChoice(id=self.id, question=text, options=options, multiple=self.multiple)


def _option_values(options: Sequence[Template], scope: Mapping[str, Any]) -> list[str]:
    values: list[str] = []
    for option in options:
        value = option.render(scope)
        # One expression may return a whole list: `"{{ args.places }}"`.
        values += map(str, value) if isinstance(value, list | tuple) else [str(value)]
    return values


def _read_arguments(validator: Draft202012Validator, arguments: str) -> dict[str, Any]:
    """Parse and validate the arguments of a call. Raise ToolFailure."""
    try:
        values: dict[str, Any] = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        raise ToolFailure(f"The arguments are not valid JSON: {error}") from error
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(values)]
    if errors:
        raise ToolFailure("The arguments do not fit: " + "; ".join(errors))
    return values


def _make_tool(name: str, description: str, schema: dict[str, Any], run: Run) -> FunctionTool:
    """Make a tool whose parameters are a JSON Schema; strict where the schema allows it."""

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        try:
            return await run(ctx.context, arguments)
        except ToolFailure as failure:
            record_failure(ctx.context, name, ctx.tool_call_id, str(failure))
            return str(failure)

    strict = strict_form(schema)
    return FunctionTool(
        name=name,
        description=description,
        params_json_schema=strict if strict is not None else {"type": "object", "properties": {}, **schema},
        on_invoke_tool=invoke,
        strict_json_schema=strict is not None,
    )
