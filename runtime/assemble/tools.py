"""The `tools` section -> the SDK's tools. SDK objects are copied, never changed in place."""

from __future__ import annotations

import copy
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args, get_origin

from agents import FunctionTool, RunContextWrapper, Tool, UserError, function_tool
from agents.strict_schema import ensure_strict_json_schema
from agents.tool_context import ToolContext
from jsonschema import Draft202012Validator

from runtime.assemble.approvals import BuiltApproval, build_approval
from runtime.assemble.context import RuntimeContext, current_call_id, scope_of
from runtime.assemble.hosted_tools import Hosted, build_hosted, build_trusted
from runtime.assemble.problems import BuildError, Problems, refuse_coroutine
from runtime.assemble.questions import ASKED, Questions, Steps
from runtime.assemble.schemas import compile_schema
from runtime.assemble.tool_errors import note_failure
from runtime.assemble.widgets import BuiltWidget, WidgetError
from runtime.config.model import Config
from runtime.config.model import tools as declared
from runtime.config.openapi_documents import split_operation
from runtime.config.references import ALL, split_reference
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
_TOOL_TYPES = tuple(get_origin(kind) or kind for kind in get_args(Tool))
Invoke = Callable[[ToolContext[Any], str], Awaitable[Any]]
AgentToolFactory = Callable[[str, declared.AgentTool], FunctionTool]


@dataclass(frozen=True, slots=True)
class BuiltTool:
    """A tool, and whether the turn ends after it; `client` says that it runs in the browser; `approval`, how the
    user is asked before a call."""

    tool: Tool
    stop: bool = False
    client: bool = False
    approval: BuiltApproval | None = None


@dataclass(slots=True)
class Tools:
    """Every tool of the file, built once and shared; inline import paths are built on demand."""

    code: ProjectCode
    widgets: Callable[[str], BuiltWidget]
    as_tool: AgentToolFactory
    operations: Callable[[declared.OpenApiTool], dict[str, FunctionTool]]
    built: dict[str, BuiltTool] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    def get(self, reference: str) -> BuiltTool:
        """Return the tool that an agent names: a key of the section, or an import path. Raise BuildError."""
        if reference not in self.built:
            if ":" not in reference:
                raise BuildError(f"no tool is named {reference!r}")
            self.built[reference] = self._python(None, declared.PythonTool(python=reference))
        return self.built[reference]

    def expand(self, reference: str) -> list[str]:
        """Return the names in `built` of what a reference means: every operation of an entry, or the tool itself."""
        return self.groups.get(reference.removesuffix(f".{ALL}"), [reference])

    def build_all(self, name: str, entry: declared.Tool) -> None:
        """Build one declared tool under its name, or each of its operations. Raise BuildError or ResolveError."""
        if not isinstance(entry, declared.OpenApiTool):
            self.built[name] = self._complete(self._build(name, entry), entry, entry_approval(entry))
            return
        made = self.operations(entry)
        for operation, tool in made.items():
            asked = entry.needs_approval
            approval = asked if isinstance(asked, bool) else operation in asked
            built = BuiltTool(_wrap(tool, entry), entry.stop)
            self.built[f"{name}.{operation}"] = self._complete(built, entry, approval)
        self.groups[name] = [f"{name}.{operation}" for operation in made]

    def _complete(self, built: BuiltTool, entry: declared.Tool, needs_approval: Any) -> BuiltTool:
        enabled = getattr(entry, "enabled_if", None)
        if enabled is not None and isinstance(built.tool, FunctionTool):
            tool = copy.copy(built.tool)
            tool.is_enabled = self._enabled(enabled)
            built = replace(built, tool=tool)
        approval = build_approval(needs_approval, self.code)
        if approval is not None and isinstance(built.tool, FunctionTool):
            tool = copy.copy(built.tool)
            tool.needs_approval = approval.wanted
            return replace(built, tool=tool, approval=approval)
        return built

    def _enabled(self, declared_if: str | declared.EnabledBy) -> Callable[[RunContextWrapper[Any], Any], Any]:
        if isinstance(declared_if, declared.EnabledBy):
            function = self.code.resolve(declared_if.python)
            if not callable(function):
                raise BuildError(f"{declared_if.python!r} is {type(function).__name__}", code="A324")

            async def ask(ctx: RunContextWrapper[RuntimeContext], agent: Any) -> bool:
                answer = function(ctx.context)
                return bool(await answer if inspect.isawaitable(answer) else answer)

            return ask
        when = Template.parse(declared_if)

        def tell(ctx: RunContextWrapper[RuntimeContext], agent: Any) -> bool:
            try:
                return bool(when.render(scope_of(ctx.context)))
            except TemplateError as error:
                logger.warning("whether a tool is offered can't be told, so it is not: %s", error)
                return False

        return tell

    def _build(self, name: str, entry: declared.Tool) -> BuiltTool:
        match entry:
            case declared.PythonTool() | declared.FactoryTool():
                return self._python(name, entry)
            case declared.WidgetTool():
                tool = _widget_tool(name, entry, self.widgets(entry.widget))
            case declared.ClientTool():
                return BuiltTool(_wrap(_client_tool(name, entry), entry), entry.stop, client=True)
            case declared.AskTool():
                return BuiltTool(_wrap(_ask_tool(name, entry), entry), stop=True)
            case declared.EffectTool():
                tool = _effect_tool(name, entry)
            case declared.ShellTool() | declared.PatchTool():
                return BuiltTool(build_trusted(entry, self.code))
            case declared.ThreadTool():
                tool = _thread_tool(name, entry)
            case declared.AgentTool():
                tool = self._agent(name, entry)
            case _:
                return BuiltTool(build_hosted(cast(Hosted, entry)))
        return BuiltTool(_wrap(tool, entry), entry.stop)

    def _python(self, name: str | None, entry: declared.PythonTool | declared.FactoryTool) -> BuiltTool:
        tool = self._resolve(name, entry)
        if not isinstance(tool, FunctionTool):
            return BuiltTool(tool, entry.stop)
        tool = copy.copy(tool)
        tool.name = name or tool.name
        tool.description = entry.description if entry.description is not None else tool.description
        bound = entry.with_ if isinstance(entry, declared.PythonTool) else {}
        wrapped = _wrap(_bind(tool, bound), entry)
        if entry.timeout is not None:
            wrapped.timeout_seconds = entry.timeout
        return BuiltTool(wrapped, entry.stop)

    def _resolve(self, name: str | None, entry: declared.PythonTool | declared.FactoryTool) -> Tool:
        if isinstance(entry, declared.FactoryTool):
            path, value = entry.factory, self.code.resolve(entry.factory)(**entry.with_)
            refuse_coroutine(value, path)
        else:
            path, value = entry.python, self.code.resolve(entry.python)
        if isinstance(value, _TOOL_TYPES):
            return cast(Tool, value)
        if callable(value) and not isinstance(value, type):
            return _plain_function(value, name)
        raise BuildError(
            f"{path!r} is {type(value).__name__}, not a tool",
            "give a @function_tool, a function with type hints, or any Tool of the Agents SDK",
            code="A324",
        )

    def _agent(self, name: str, entry: declared.AgentTool) -> FunctionTool:
        tool = self.as_tool(name, entry)
        if not entry.stop:
            return tool
        inner = copy.copy(tool)

        async def invoke(ctx: ToolContext[Any], arguments: str) -> Any:
            output = await inner.on_invoke_tool(ctx, arguments)
            await ctx.context.say(str(output))
            return output

        tool.on_invoke_tool = invoke
        return tool


def entry_approval(entry: declared.Tool) -> Any:
    """What an entry says of approval; hosted tools say nothing."""
    return getattr(entry, "needs_approval", False)


def build_tools(config: Config, tools: Tools, problems: Problems) -> None:
    """Build every declared tool, and every import path that an agent names directly."""
    for name, entry in config.tools.items():
        with problems.record("A301", "tools", name, _kind_of(entry)):
            tools.build_all(name, entry)
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            is_part = split_reference(config, reference) is not None or split_operation(config, reference) is not None
            if reference not in config.tools and not is_part:
                with problems.record("A301", "agents", key, "tools", index):
                    tools.get(reference)


def _kind_of(entry: declared.Tool) -> str:
    """The key that says which kind a tool is: where its mistakes are shown."""
    return next(kind for kind in declared.KINDS if kind in type(entry).model_fields)


def _plain_function(function: Callable[..., Any], name: str | None) -> FunctionTool:
    for parameter in list(inspect.signature(function).parameters.values()):
        if parameter.annotation is parameter.empty:
            raise BuildError(
                f"parameter {parameter.name!r} of {function.__name__!r} has no type hint",
                "write one: the model is told of it",
                code="A323",
                about=function,
            )
    # A strict schema is better for the model; free-form dicts have none.
    try:
        return function_tool(function, name_override=name)
    except UserError:
        return function_tool(function, name_override=name, strict_mode=False)


def _bind(tool: FunctionTool, bound: Mapping[str, Any]) -> FunctionTool:
    """Fix arguments: they leave the schema that the model sees and join each call."""
    if not bound:
        return tool
    properties = tool.params_json_schema.get("properties", {})
    unknown = sorted(set(bound) - set(properties))
    if unknown:
        raise BuildError(
            f"tool {tool.name!r} has no argument {unknown[0]!r}",
            f"it has {', '.join(map(repr, properties)) or 'none'}",
            code="A325",
        )
    inner, outer = tool, copy.copy(tool)
    outer.params_json_schema = {
        **tool.params_json_schema,
        "properties": {key: value for key, value in properties.items() if key not in bound},
        "required": [key for key in tool.params_json_schema.get("required", []) if key not in bound],
    }

    async def invoke(ctx: ToolContext[Any], arguments: str) -> Any:
        try:
            arguments = json.dumps({**json.loads(arguments or "{}"), **bound})
        except (json.JSONDecodeError, TypeError) as error:
            wrong = f"The arguments are not valid JSON: {error}"
            note_failure(ctx.context, tool.name, ctx.tool_call_id, wrong)
            return wrong
        return await inner.on_invoke_tool(ctx, arguments)

    outer.on_invoke_tool = invoke
    return outer


def _wrap(tool: FunctionTool, entry: Any) -> FunctionTool:
    """Announce each call, and let whatever the tool does know which call it belongs to."""
    inner, outer = tool, copy.copy(tool)
    progress = Template.parse(entry.progress) if entry.progress else None
    steps = Steps(entry.steps) if entry.steps else None

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> Any:
        if progress is not None:
            await _announce(ctx.context, progress, arguments)
        token = current_call_id.set(ctx.tool_call_id)
        if steps is not None:
            await steps.begin(ctx.context, arguments)
        try:
            return await inner.on_invoke_tool(ctx, arguments)
        finally:
            if steps is not None:
                await steps.end(ctx.context)
            current_call_id.reset(token)

    outer.on_invoke_tool = invoke
    return outer


async def _announce(context: RuntimeContext, progress: Template, arguments: str) -> None:
    try:
        scope = {**scope_of(context), "args": json.loads(arguments or "{}")}
        text = str(progress.render(scope))
    except (json.JSONDecodeError, TemplateError) as error:
        # A courtesy: the tool runs without it, and answers for its arguments itself.
        logger.warning("no progress text: %s", error)
        return
    await context.progress(text)


def declared_tool(name: str, description: str, schema: dict[str, Any], invoke: Invoke) -> FunctionTool:
    """Make a tool from a JSON Schema; strict where the schema allows it."""
    try:
        strict, parameters = True, ensure_strict_json_schema(copy.deepcopy(schema))
        # The SDK makes optional properties required; a schema that has some is kept as it was written.
        strict = set(schema.get("required", [])) == set(schema.get("properties", {}))
    except UserError:
        strict = False
    return FunctionTool(
        name=name,
        description=description,
        params_json_schema=parameters if strict else {"type": "object", "properties": {}, **schema},
        on_invoke_tool=invoke,
        strict_json_schema=strict,
    )


def _arguments(validator: Draft202012Validator, arguments: str) -> tuple[dict[str, Any], str]:
    """Parse and check a call's arguments; the second value tells the model what is wrong, or is empty."""
    try:
        values = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        return {}, f"The arguments are not valid JSON: {error}"
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(values)]
    return values, "The arguments do not fit: " + "; ".join(errors) if errors else ""


def _widget_tool(name: str, entry: declared.WidgetTool, widget: BuiltWidget) -> FunctionTool:
    schema = widget.data_schema or {"type": "object", "properties": {}, "additionalProperties": True}

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        try:
            data = json.loads(arguments or "{}")
            shown = await widget.arender(data)
            await ctx.context.stream_widget(shown, widget.copy_text(data))
        except (json.JSONDecodeError, WidgetError) as error:
            note_failure(ctx.context, name, ctx.tool_call_id, str(error))
            return f"The widget could not be shown: {error}"
        return "The widget was shown to the user."

    return declared_tool(name, entry.description or f"Show the widget {widget.name}.", schema, invoke)


def _effect_tool(name: str, entry: declared.EffectTool) -> FunctionTool:
    validator = compile_schema(entry.parameters, "parameters")

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        data, wrong = _arguments(validator, arguments)
        if wrong:
            note_failure(ctx.context, name, ctx.tool_call_id, wrong)
            return wrong
        await ctx.context.effect(entry.effect, data)
        return "Done."

    return declared_tool(name, entry.description or entry.effect, entry.parameters, invoke)


def _thread_tool(name: str, entry: declared.ThreadTool) -> FunctionTool:
    reason = Template.parse(entry.reason) if entry.reason else None

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        words = str(reason.render(scope_of(ctx.context))) if reason is not None else None
        match entry.thread:
            case "lock":
                ctx.context.lock_thread(words)
            case "close":
                ctx.context.close_thread(words)
            case "open":
                ctx.context.open_thread()
        return "Done."

    described = {
        "lock": "Let nobody write in this conversation.",
        "close": "End this conversation.",
        "open": "Open it.",
    }
    nothing: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    return declared_tool(name, entry.description or described[entry.thread], nothing, invoke)


def _ask_tool(name: str, entry: declared.AskTool) -> FunctionTool:
    validator, questions = compile_schema(entry.parameters, "parameters"), Questions(entry)

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        values, wrong = _arguments(validator, arguments)
        if not wrong:
            try:
                await questions.ask(ctx.context, values)
            except TemplateError as error:
                wrong = f"The questions could not be asked: {error}"
        if wrong:
            note_failure(ctx.context, name, ctx.tool_call_id, wrong)
        return wrong or ASKED

    asked = "; ".join(question.question for question in entry.ask)
    return declared_tool(name, entry.description or f"Ask the user: {asked}", entry.parameters, invoke)


def _client_tool(name: str, entry: declared.ClientTool) -> FunctionTool:
    validator = compile_schema(entry.parameters, "parameters")

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        values, wrong = _arguments(validator, arguments)
        if wrong:
            note_failure(ctx.context, name, ctx.tool_call_id, wrong)
            return wrong
        await ctx.context.call_client(entry.client, values)
        return ""

    return declared_tool(name, entry.description or entry.client, entry.parameters, invoke)
