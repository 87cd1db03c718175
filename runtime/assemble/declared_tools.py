"""Tools that need no Python of the project, and OpenAI's built-in tools, of which it executes shell and patches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import agents
from agents.editor import ApplyPatchEditor
from agents.tool_context import ToolContext
from chatkit import types as chat
from jsonschema import Draft202012Validator

from runtime.assemble.approvals import BuiltApproval
from runtime.assemble.contained_objects import ContainedEditor
from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import ProjectFunctions, resolve_object
from runtime.assemble.schemas import compile_schema, read_json, strict_form
from runtime.assemble.tool_failures import ToolFailure, record_failure
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


def widget_tool(name: str, entry: declared.WidgetTool, widget: BuiltWidget) -> agents.FunctionTool:
    """Make a tool that shows a widget; its arguments are the widget's data."""
    schema = widget.data_schema or {"type": "object", "properties": {}, "additionalProperties": True}

    async def run(context: RuntimeContext, arguments: str) -> str:
        try:
            data = json.loads(arguments or "{}")
            drawn = await widget.draw(data)
            await context.stream_widget(drawn.root, drawn.copy_text)
        except (json.JSONDecodeError, WidgetError) as error:
            raise ToolFailure(f"The widget could not be shown: {error}") from error
        return "The widget was shown to the user."

    return _make_tool(name, entry.description or f"Show the widget {widget.name}.", schema, run)


def effect_tool(name: str, entry: declared.EffectTool) -> agents.FunctionTool:
    """Make a tool that sends a client effect to the browser."""
    validator = compile_schema(entry.parameters, "parameters")

    async def run(context: RuntimeContext, arguments: str) -> str:
        await context.effect(entry.effect, _read_arguments(validator, arguments))
        return "Done."

    return _make_tool(name, entry.description or entry.effect, entry.parameters, run)


def client_tool(name: str, entry: declared.ClientTool) -> agents.FunctionTool:
    """Make a tool that runs in the browser."""
    validator = compile_schema(entry.parameters, "parameters")

    async def run(context: RuntimeContext, arguments: str) -> str:
        await context.call_client(entry.client, _read_arguments(validator, arguments))
        return ""

    return _make_tool(name, entry.description or entry.client, entry.parameters, run)


def thread_tool(name: str, entry: declared.ThreadTool) -> agents.FunctionTool:
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


def ask_tool(name: str, entry: declared.AskTool) -> agents.FunctionTool:
    """Make a tool that asks the user questions; the answers are the user's next message."""
    validator = compile_schema(entry.parameters, "parameters")

    async def run(context: RuntimeContext, arguments: str) -> str:
        scope = {**scope_of(context), "args": _read_arguments(validator, arguments)}
        try:
            inputs = [_render_question(question, scope) for question in entry.ask]
        except TemplateError as error:
            raise ToolFailure(f"The questions could not be asked: {error}") from error
        await context._add_item(chat.StructuredInputItem, inputs=inputs)
        return "The user was asked; the answers follow."

    texts = "; ".join(question.question for question in entry.ask)
    return _make_tool(name, entry.description or f"Ask the user: {texts}", entry.parameters, run)


def _render_question(question: declared.Question, scope: Mapping[str, Any]) -> Any:
    text = str(Template.parse(question.question).render(scope))
    if not question.options:
        described = question.description
        description = str(Template.parse(described).render(scope)) if described else None
        return chat.StructuredInputFreeform(id=question.id, question=text, description=description)
    values, multiple = _option_values(question.options, scope), question.multiple
    options = [chat.StructuredInputMultipleChoiceOption(value=value) for value in values]
    return chat.StructuredInputMultipleChoice(id=question.id, question=text, options=options, multiple=multiple)


def _option_values(options: Sequence[str], scope: Mapping[str, Any]) -> list[str]:
    values: list[str] = []
    for option in options:
        value = Template.parse(option).render(scope)
        # One expression may return a whole list: `"{{ args.places }}"`.
        values += map(str, value) if isinstance(value, list | tuple) else [str(value)]
    return values


def _read_arguments(validator: Draft202012Validator, arguments: str) -> dict[str, Any]:
    values: dict[str, Any] = read_json(arguments or "{}", validator, "The arguments", ToolFailure)
    return values


def _make_tool(name: str, description: str, schema: dict[str, Any], run: Run) -> agents.FunctionTool:
    """Make a tool whose parameters are a JSON Schema; strict where the schema allows it."""

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> str:
        try:
            return await run(ctx.context, arguments)
        except ToolFailure as failure:
            record_failure(ctx.context, name, ctx.tool_call_id, str(failure))
            return str(failure)

    strict = strict_form(schema)
    return agents.FunctionTool(
        name=name,
        description=description,
        params_json_schema=strict if strict is not None else {"type": "object", "properties": {}, **schema},
        on_invoke_tool=invoke,
        strict_json_schema=strict is not None,
    )


# OpenAI's built-in tools: hosted ones run at OpenAI; the project executes the commands and changes of local ones.

HostedEntry = (
    declared.WebSearch | declared.FileSearch | declared.CodeInterpreter | declared.ImageGeneration | declared.HostedMcp
)


def build_hosted(entry: HostedEntry) -> agents.Tool:
    """Make the SDK's tool; omitted options keep OpenAI's defaults."""
    match entry:
        case declared.WebSearch():
            return _web_search(entry)
        case declared.FileSearch():
            return _file_search(entry)
        case declared.CodeInterpreter():
            container: Any = {"type": "auto", "file_ids": list(entry.file_ids)}
            return agents.CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": container})
        case declared.ImageGeneration():
            options: Any = entry.model_dump(exclude={"hosted", "description"}, exclude_none=True)
            if not entry.partial_images:
                options.pop("partial_images")
            config: Any = {"type": "image_generation", **options}
            return agents.ImageGenerationTool(tool_config=config)
        case declared.HostedMcp():
            return _mcp(entry)


def build_local(
    entry: declared.ShellTool | declared.PatchTool, functions: ProjectFunctions, approval: BuiltApproval | None
) -> agents.Tool:
    """Make a tool whose commands or file changes the project's own code executes. Raise BuildError or ResolveError."""
    needed = False if approval is None else approval.needed_for_object
    if isinstance(entry, declared.ShellTool):
        execute = functions.resolve(entry.shell, "a function of the request")
        return agents.ShellTool(executor=execute, needs_approval=needed)
    hint = "it needs create_file, update_file and delete_file"
    editor = resolve_object(functions.code, entry.apply_patch, ApplyPatchEditor, "agents.ApplyPatchEditor", hint)  # type: ignore[type-abstract]
    return agents.ApplyPatchTool(editor=ContainedEditor(editor, functions), needs_approval=needed)


def _web_search(entry: declared.WebSearch) -> agents.WebSearchTool:
    options: dict[str, Any] = {"search_context_size": entry.search_context_size}
    names = ("country", "region", "city", "timezone")
    location = {name: value for name in names if (value := getattr(entry, name))}
    if location:
        options["user_location"] = {"type": "approximate", **location}
    if entry.allowed_domains:
        options["filters"] = {"allowed_domains": list(entry.allowed_domains)}
    if entry.max_images is not None:
        options["image_settings"] = {"max_results": entry.max_images}
    return agents.WebSearchTool(external_web_access=entry.live, search_content_types=entry.content, **options)


def _file_search(entry: declared.FileSearch) -> agents.FileSearchTool:
    ranking: Any = entry.model_dump(include={"ranker", "score_threshold"}, exclude_none=True)
    filters: Any = entry.filters
    return agents.FileSearchTool(
        vector_store_ids=list(entry.vector_store_ids),
        max_num_results=entry.max_num_results,
        include_search_results=entry.include_results,
        ranking_options=ranking or None,
        filters=filters,
    )


def _mcp(entry: declared.HostedMcp) -> agents.HostedMCPTool:
    config: Any = {"type": "mcp", "server_label": entry.label, "require_approval": _approval(entry)}
    options = {
        "server_url": entry.url,
        "connector_id": entry.connector,
        "authorization": entry.authorization or None,
        "headers": dict(entry.headers) or None,
        "server_description": entry.description,
        "allowed_tools": entry.tools,
    }
    config |= {key: value for key, value in options.items() if value is not None}
    return agents.HostedMCPTool(tool_config=config)


def _approval(entry: declared.HostedMcp) -> Any:
    if isinstance(entry.needs_approval, bool):
        return "always" if entry.needs_approval else "never"
    # Both lists are sent, because the API does not define the treatment of a tool in neither.
    others = [tool for tool in entry.tools or () if tool not in entry.needs_approval]
    policy = {"always": {"tool_names": list(entry.needs_approval)}, "never": {"tool_names": others}}
    return {key: names for key, names in policy.items() if names["tool_names"]}


def hosted_signature(tool: agents.HostedMCPTool) -> str:
    """Return a hash of the server to call: an approval is valid only while it is unchanged."""
    config = tool.tool_config
    server = [config.get(key) for key in ("server_label", "server_url", "connector_id", "tunnel_id")]
    return hashlib.sha256(json.dumps(server).encode()).hexdigest()[:16]


def allows_tool(tool: agents.HostedMCPTool, name: str) -> bool:
    """Return whether the server's tool of that name may be called."""
    allowed = tool.tool_config.get("allowed_tools")
    names = allowed.get("tool_names") if isinstance(allowed, dict) else allowed
    return names is None or name in names
