"""The `tools` section -> the SDK's tools, in five steps: bind, announce, enable, approve, guard.

`Tools.build` runs the steps. Each returns a changed copy of the tool: the project's own objects must stay unchanged.
"""

from __future__ import annotations

import copy
import inspect
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, get_args, get_origin

from agents import FunctionTool, RunContextWrapper, Tool, UserError, function_tool
from agents.tool_context import ToolContext
from chatkit.types import CustomTask, Workflow

from runtime.assemble import declared_tools
from runtime.assemble.approvals import BuiltApproval, build_approval
from runtime.assemble.contained_objects import contain_called_tool, contain_task, contain_tool
from runtime.assemble.context import RuntimeContext, Steps, current_call_id, scope_of
from runtime.assemble.functions import ProjectFunctions, call_function, holds, refuse_coroutine, resolve_function
from runtime.assemble.guardrails import GuardrailRegistry, ToolGuards, tool_guards
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.roles import Required, required_by, restrict
from runtime.assemble.tool_arguments import check_arguments, check_before_approval
from runtime.assemble.tool_failures import record_failure
from runtime.assemble.tool_limits import limit_local_tool, limit_tool
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model import tools as declared
from runtime.config.openapi_documents import split_operation
from runtime.config.references import ALL, split_reference
from runtime.project_code.loader import ProjectCode
from runtime.resources.threads import ToolThreads, in_tool_thread, tool_threads
from runtime.sdk_internals import prepare_called_tools, run_sync_tools_with, run_tasks_with
from runtime.sdk_shortcuts import compare_tools_once, keep_identities, skip_idle_tasks
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
_TOOL_TYPES = tuple(get_origin(kind) or kind for kind in get_args(Tool))
run_sync_tools_with(in_tool_thread)
prepare_called_tools(contain_called_tool)
run_tasks_with(contain_task)
skip_idle_tasks()
compare_tools_once()
keep_identities()


@dataclass(frozen=True, slots=True)
class BuiltTool:
    """A tool of the SDK. `stop`: the turn ends after it; `client`: it runs in the browser; `approval`: how the user is
    asked before a call; `required`: the roles that a user needs."""

    tool: Tool
    stop: bool = False
    client: bool = False
    approval: BuiltApproval | None = None
    required: Required = ()


@dataclass(slots=True)
class Tools:
    """The tools of the project by name, each built once: declared ones first, import paths of agents on demand."""

    config: Config
    widgets: Callable[[str], BuiltWidget]
    as_tool: Callable[[str, declared.AgentTool], FunctionTool]
    operations: Callable[[declared.OpenApiTool], dict[str, FunctionTool]]
    functions: ProjectFunctions
    built: dict[str, BuiltTool] = field(default_factory=dict)
    operation_names: dict[str, list[str]] = field(default_factory=dict)
    """The names in `built` of an OpenAPI entry's operations, by the entry's name."""

    def get(self, reference: str) -> BuiltTool:
        """Return the tool that an agent names: a key of the section, or an import path. Raise BuildError."""
        if reference not in self.built:
            if ":" not in reference:
                raise BuildError(f"no tool is named {reference!r}")
            entry = declared.PythonTool(python=reference)
            self.built[reference] = self.build(None, entry, entry.needs_approval, ToolGuards())
        return self.built[reference]

    def wrap(self, tool: Tool, path: str) -> BuiltTool:
        """Return a tool of the project's own agent at `path`, prepared like one that agents.yaml names."""
        return self.build(None, declared.PythonTool(python=path), False, ToolGuards(), tool)

    def expand(self, reference: str) -> list[str]:
        """Return the names in `built` that a reference includes: all operations of an entry, or the tool itself."""
        return self.operation_names.get(reference.removesuffix(f".{ALL}"), [reference])

    def add(self, name: str, entry: declared.Tool, guards: ToolGuards) -> None:
        """Build an entry of the section, or each of its operations. Raise BuildError or ResolveError."""
        if not isinstance(entry, declared.OpenApiTool):
            self.built[name] = self.build(name, entry, getattr(entry, "needs_approval", False), guards)
            return
        tools = self.operations(entry)
        for operation, tool in tools.items():
            policy = entry.needs_approval
            needs_approval = policy if isinstance(policy, bool) else operation in policy
            self.built[f"{name}.{operation}"] = self.build(tool.name, entry, needs_approval, guards, tool)
        self.operation_names[name] = [f"{name}.{operation}" for operation in tools]

    def build(
        self, name: str | None, entry: declared.Tool, needs_approval: Any, guards: ToolGuards, tool: Tool | None = None
    ) -> BuiltTool:
        """Build one tool, in the five steps; `tool` is given where it is bound already."""
        # Only declared tools need approval here, and each of them has a name.
        approval = build_approval(needs_approval, self.functions, name or "")
        tool = tool or self._bind(name, entry, approval)
        stop = isinstance(entry, declared.AskTool) or getattr(entry, "stop", False)
        client = isinstance(entry, declared.ClientTool)
        required = required_by(self.config, entry)
        if not isinstance(tool, FunctionTool):
            return BuiltTool(limit_local_tool(tool, self.config.limits), stop, client, approval, required)
        tool = _announce(tool, name, entry, self.functions.threads)
        if isinstance(entry, declared.PythonTool | declared.FactoryTool | declared.AgentTool):
            # The others check their arguments themselves.
            tool = check_arguments(tool)
        if approval is not None or tool.needs_approval:
            tool = check_before_approval(tool)
        tool = contain_tool(tool)
        tool = limit_tool(tool, self.config.limits)
        tool = _enable(tool, getattr(entry, "enabled_if", None), self.functions.code)
        if approval is not None:
            tool = _with(tool, needs_approval=approval.needed)
        return BuiltTool(restrict(_guard(tool, guards), required), stop, client, approval, required)

    def _bind(self, name: str | None, entry: declared.Tool, approval: BuiltApproval | None) -> Tool:
        """Return the tool that the entry declares, or that its import path leads to."""
        key = name or ""
        match entry:
            case declared.PythonTool():
                return _as_tool(self.functions.code.resolve(entry.python), entry.python, name)
            case declared.FactoryTool():
                made = self.functions.code.resolve(entry.factory)(**entry.with_)
                refuse_coroutine(made, entry.factory)
                return _as_tool(made, entry.factory, name)
            case declared.WidgetTool():
                return declared_tools.widget_tool(key, entry, self.widgets(entry.widget))
            case declared.ClientTool():
                return declared_tools.client_tool(key, entry)
            case declared.AskTool():
                return declared_tools.ask_tool(key, entry)
            case declared.EffectTool():
                return declared_tools.effect_tool(key, entry)
            case declared.ThreadTool():
                return declared_tools.thread_tool(key, entry)
            case declared.ShellTool() | declared.PatchTool():
                return declared_tools.build_local(entry, self.functions, approval)
            case declared.AgentTool():
                return self.as_tool(key, entry)
            case _:
                return declared_tools.build_hosted(cast(declared_tools.HostedEntry, entry))


def build_tools(config: Config, tools: Tools, guardrails: GuardrailRegistry, problems: Problems) -> None:
    """Build every declared tool, and every import path that an agent names directly."""
    for name, entry in config.tools.items():
        guards = tool_guards(name, entry, guardrails, problems)
        with problems.record("A301", "tools", name, _kind_of(entry)):
            tools.add(name, entry, guards)
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            is_part = split_reference(config, reference) is not None or split_operation(config, reference) is not None
            if reference not in config.tools and not is_part:
                with problems.record("A301", "agents", key, "tools", index):
                    tools.get(reference)


def _kind_of(entry: declared.Tool) -> str:
    """Return the key that determines the kind of tool: its mistakes are reported there."""
    return next(kind for kind in declared.KINDS if kind in type(entry).model_fields)


# Bind: the object at an import path becomes a tool.


def _as_tool(value: Any, path: str, name: str | None) -> Tool:
    if isinstance(value, _TOOL_TYPES):
        return cast(Tool, value)
    if callable(value) and not isinstance(value, type):
        return _from_function(value, name)
    raise BuildError(
        f"{path!r} is {type(value).__name__}, not a tool",
        "give a @function_tool, a function with type hints, or any Tool of the Agents SDK",
        code="A324",
    )


def _from_function(function: Callable[..., Any], name: str | None) -> FunctionTool:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.annotation is parameter.empty:
            raise BuildError(
                f"parameter {parameter.name!r} of {function.__name__!r} has no type hint",
                "write one: it becomes part of the tool's schema for the model",
                code="A323",
                about=function,
            )
    # Endpoints enforce a strict schema; dicts with arbitrary keys have none.
    try:
        return function_tool(function, name_override=name)
    except UserError:
        return function_tool(function, name_override=name, strict_mode=False)


# Announce: name, description and schema for the model; progress for the user.


def _announce(tool: FunctionTool, name: str | None, entry: Any, threads: ToolThreads) -> FunctionTool:
    timeout = None
    if isinstance(entry, declared.PythonTool | declared.FactoryTool):
        description = tool.description if entry.description is None else entry.description
        tool = _with(tool, name=name or tool.name, description=description)
        tool = _fix_arguments(tool, entry.with_ if isinstance(entry, declared.PythonTool) else {})
        timeout = entry.timeout
    tool = _show_progress(tool, entry.progress, entry.steps, threads)
    return tool if timeout is None else _with(tool, timeout_seconds=timeout)


def _with(tool: FunctionTool, **changes: Any) -> FunctionTool:
    changed = copy.copy(tool)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _fix_arguments(tool: FunctionTool, fixed: Mapping[str, Any]) -> FunctionTool:
    """Remove the arguments of `with` from the schema for the model, and add them to each call."""
    if not fixed:
        return tool
    properties = tool.params_json_schema.get("properties", {})
    unknown = sorted(set(fixed) - set(properties))
    if unknown:
        raise BuildError(
            f"tool {tool.name!r} has no argument {unknown[0]!r}",
            f"it has {', '.join(map(repr, properties)) or 'none'}",
            code="A325",
        )
    schema = {
        **tool.params_json_schema,
        "properties": {key: value for key, value in properties.items() if key not in fixed},
        "required": [key for key in tool.params_json_schema.get("required", []) if key not in fixed],
    }

    async def invoke(ctx: ToolContext[Any], arguments: str) -> Any:
        try:
            arguments = json.dumps({**json.loads(arguments or "{}"), **fixed})
        except (json.JSONDecodeError, TypeError) as error:
            message = f"The arguments are not valid JSON: {error}"
            record_failure(ctx.context, tool.name, ctx.tool_call_id, message)
            return message
        return await tool.on_invoke_tool(ctx, arguments)

    return _with(tool, params_json_schema=schema, on_invoke_tool=invoke)


def _show_progress(
    tool: FunctionTool, progress: str | None, steps: Sequence[str], threads: ToolThreads
) -> FunctionTool:
    """Show the `progress` text and the `steps` of each call, bind its client tool calls to its id, give it threads."""
    progress_texts = [Template.parse(progress)] if progress else []
    step_texts = [Template.parse(step) for step in steps]

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> Any:
        context = ctx.context
        for text in _render(progress_texts, tool.name, "progress", context, arguments):
            await context.progress(text)
        token, threads_token = current_call_id.set(ctx.tool_call_id), tool_threads.set(threads)
        titles = _render(step_texts, tool.name, "steps", context, arguments)
        if titles:
            await _begin_steps(context, titles)
        try:
            return await tool.on_invoke_tool(ctx, arguments)
        finally:
            if titles:
                await _end_steps(context)
            tool_threads.reset(threads_token)
            current_call_id.reset(token)

    return _with(tool, on_invoke_tool=invoke)


def _render(templates: Sequence[Template], tool: str, key: str, context: RuntimeContext, arguments: str) -> list[str]:
    if not templates:
        return []
    try:
        scope = {**scope_of(context), "args": json.loads(arguments or "{}")}
        return [str(template.render(scope)) for template in templates]
    except (json.JSONDecodeError, TemplateError) as error:
        # The tool runs all the same, and reports faulty arguments itself.
        logger.warning("`%s` of the tool %r can't be rendered: %s", key, tool, error)
        return []


async def _begin_steps(context: RuntimeContext, titles: Sequence[str]) -> None:
    tasks: list[Any] = [CustomTask(title=title, status_indicator="none") for title in titles]
    tasks[0].status_indicator = "loading"
    await context.start_workflow(Workflow(type="custom", tasks=tasks, expanded=True))
    assert context.workflow_item is not None
    context._turn_state.steps[current_call_id.get()] = Steps(context.workflow_item)


async def _end_steps(context: RuntimeContext) -> None:
    while await context.next_step():
        continue


# Enable: `enabled_if`, evaluated before each request to the model. Guard: the guardrails of the tool.


def _enable(tool: FunctionTool, condition: bool | str | declared.EnabledBy | None, code: ProjectCode) -> FunctionTool:
    if condition is None or isinstance(condition, bool):
        return tool if condition is not False else _with(tool, is_enabled=False)
    if isinstance(condition, declared.EnabledBy):
        function = resolve_function(code, condition.python, "a function of the turn's context")

        async def call(ctx: RunContextWrapper[RuntimeContext], agent: Any) -> bool:
            return bool(await call_function(function, ctx.context))

        return _with(tool, is_enabled=call)
    when, name = Template.parse(condition), f"`enabled_if` of tool {tool.name!r}"
    return _with(tool, is_enabled=lambda ctx, agent: holds(when, scope_of(ctx.context), name))


def _guard(tool: FunctionTool, guards: ToolGuards) -> FunctionTool:
    if guards == ToolGuards():
        return tool
    return _with(
        tool,
        tool_input_guardrails=[*(tool.tool_input_guardrails or ()), *guards.input],
        tool_output_guardrails=[*(tool.tool_output_guardrails or ()), *guards.output],
    )
