"""Check the arguments of a call before the tool runs or the user is asked, and tell the model which are wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from agents import FunctionTool, ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolInputGuardrailData
from agents.tool_context import ToolContext
from jsonschema import Draft202012Validator, ValidationError

from runtime.assemble.context import RuntimeContext
from runtime.assemble.tool_failures import declared_text, record_failure

Problem = Callable[[str], str]
"""Takes the arguments of a call as JSON; returns what is wrong with them, or an empty text."""

_NOTHING = ("", "null")
_LISTED = 5
"""The most mistakes that one message names."""


def check_arguments(tool: FunctionTool) -> FunctionTool:
    """Return a tool that tells the model which arguments are missing or wrong."""
    problem_of = _problem_of(tool)

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> Any:
        if problem := problem_of(arguments):
            record_failure(ctx.context, tool.name, ctx.tool_call_id, problem)
            return declared_text(ctx.context, tool.name, problem) or problem
        return await tool.on_invoke_tool(ctx, arguments)

    checked = copy.copy(tool)
    checked.on_invoke_tool = invoke
    return checked


def check_before_approval(tool: FunctionTool) -> FunctionTool:
    """Return a tool that rejects wrong arguments before the user is asked to allow the call."""
    problem_of = _problem_of(tool)

    def guard(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        problem = problem_of(data.context.tool_arguments)
        if not problem:
            return ToolGuardrailFunctionOutput.allow()
        record_failure(data.context.context, tool.name, data.context.tool_call_id, problem)
        return ToolGuardrailFunctionOutput.reject_content(problem)

    checked = copy.copy(tool)
    guardrail: ToolInputGuardrail[Any] = ToolInputGuardrail(guardrail_function=guard, name="arguments")
    checked.tool_input_guardrails = [guardrail, *(tool.tool_input_guardrails or ())]
    return checked


def _problem_of(tool: FunctionTool) -> Problem:
    schema = tool.params_json_schema

    @cache
    def validator() -> Draft202012Validator:
        # Parameters with defaults are required only in the form of the schema that endpoints enforce.
        properties = schema.get("properties", {})
        required = [name for name in schema.get("required", ()) if "default" not in properties.get(name, {})]
        return Draft202012Validator({**schema, "required": required})

    def problem_of(arguments: str) -> str:
        try:
            values = {} if arguments.strip() in _NOTHING else json.loads(arguments)
        except ValueError as error:
            return f"The arguments of {tool.name!r} are not valid JSON: {error}. Call it again with complete JSON."
        if not isinstance(values, Mapping):
            return f"The arguments of {tool.name!r} must be a JSON object, not {_kind_of(values)}: {_shape(schema)}."
        errors = [error for error in validator().iter_errors(values) if not _is_convertible(error)]
        if all(error.validator == "additionalProperties" for error in errors):
            return ""  # pydantic ignores them
        wrong = "; ".join(_said(error) for error in errors[:_LISTED])
        return f"The arguments of {tool.name!r} are wrong: {wrong}."

    return problem_of


def _said(error: ValidationError) -> str:
    if error.validator == "required":
        return error.message
    path = error.json_path.removeprefix("$.")
    return f"{path}: {error.message}" if path != "$" else error.message


def _is_convertible(error: ValidationError) -> bool:
    """Return whether pydantic, which reads the arguments of a tool, may convert the value: `"5"` is a number for it."""
    return error.validator == "type" and isinstance(error.instance, str | int | float)


def _kind_of(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _shape(schema: Mapping[str, Any]) -> str:
    names = ", ".join(map(repr, schema.get("properties", {}))) or "none"
    return f"its arguments are {names}"
