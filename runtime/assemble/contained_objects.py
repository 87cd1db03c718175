"""The project's own objects as the SDK gets them: what they raise can't end the server (see `containment`)."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Coroutine
from contextvars import ContextVar
from typing import Any

from agents import FunctionTool, ModelResponse
from agents.editor import ApplyPatchEditor
from agents.items import TResponseStreamEvent
from agents.lifecycle import AgentHooksBase
from agents.models.interface import Model
from agents.tool_context import ToolContext

from runtime.assemble.context import RuntimeContext
from runtime.assemble.functions import ProjectFunctions
from runtime.documents.untrusted import clean
from runtime.resources.containment import ProjectCodeError, contained, contained_function, contained_items
from runtime.sdk_internals import called_by_sdk

_MARK = "_is_contained"
_calling: ContextVar[Any] = ContextVar("calling", default=None)
"""The state of the turn whose tool is running."""
_HOOKS = [name for name in vars(AgentHooksBase) if name.startswith("on_")]


class ContainedHooks(AgentHooksBase[Any, Any]):
    """Forwards every hook to the project's object."""

    def __init__(self, hooks: AgentHooksBase[Any, Any]) -> None:
        for name in _HOOKS:
            setattr(self, name, contained_function(getattr(hooks, name), f"hook {name!r}"))


class ContainedModel(Model):
    """Forwards to a model of the project, which is `inner`."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Forward the request."""
        with contained("the model"):
            return await self.inner.get_response(*args, **kwargs)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Forward the request, and the events of its answer."""
        with contained("the model"):
            events = self.inner.stream_response(*args, **kwargs)
        return contained_items(events, "the model")

    async def close(self) -> None:
        """Close the model."""
        with contained("the model"):
            await self.inner.close()

    def get_retry_advice(self, request: Any) -> Any:
        """Forward the question whether a failed request can be repeated."""
        with contained("the model"):
            return self.inner.get_retry_advice(request)


class ContainedEditor:
    """Forwards changes of files to the project's `ApplyPatchEditor`."""

    def __init__(self, editor: ApplyPatchEditor, functions: ProjectFunctions) -> None:
        self.create_file = functions.limited(editor.create_file, "the editor's 'create_file'")
        self.update_file = functions.limited(editor.update_file, "the editor's 'update_file'")
        self.delete_file = functions.limited(editor.delete_file, "the editor's 'delete_file'")


def contain_tool(tool: FunctionTool) -> FunctionTool:
    """Return a copy of a tool that records which tool runs, and whose functions can't end the server.

    A call that raises ProjectCodeError ends the turn, also where the tool belongs to an agent that is itself a tool.
    """
    inner, name = tool.on_invoke_tool, tool.name

    async def invoke(ctx: ToolContext[RuntimeContext], arguments: str) -> Any:
        token = _calling.set(ctx.context._turn_state)
        try:
            return await call(ctx, arguments)
        finally:
            _calling.reset(token)

    async def call(ctx: ToolContext[RuntimeContext], arguments: str) -> Any:
        state, agent = ctx.context._turn_state, ctx.agent.name if ctx.agent is not None else ""
        place = f"tool {name!r} of agent {agent!r}" if agent else f"tool {name!r}"
        state.running[ctx.tool_call_id] = place
        try:
            with contained(place):
                output = await inner(ctx, arguments)
        except ProjectCodeError as error:
            state.fault = state.fault or error
            raise
        finally:
            state.running.pop(ctx.tool_call_id, None)
        if state.fault is not None:
            raise state.fault
        return clean(output) if isinstance(output, str) else output

    contained_tool = copy.copy(tool)
    contained_tool.on_invoke_tool = invoke
    if callable(tool.needs_approval):
        contained_tool.needs_approval = contained_function(tool.needs_approval, f"`needs_approval` of tool {name!r}")
    if callable(tool.is_enabled):
        contained_tool.is_enabled = contained_function(tool.is_enabled, f"`is_enabled` of tool {name!r}")
    setattr(contained_tool, _MARK, True)
    return contained_tool


def contain_task(coroutine: Any) -> Any:
    """Return the coroutine that the SDK starts as a task in place of `coroutine`: it can't end the server.

    Only what runs inside a tool can be code of the project that the runtime has not prepared, such as the guardrails of
    an agent that is a tool of the project's own agent.
    """
    state = _calling.get()
    return coroutine if state is None else _contained_task(coroutine, state)


async def _contained_task(coroutine: Coroutine[Any, Any, Any], state: Any) -> Any:
    try:
        with contained():
            return await coroutine
    except ProjectCodeError as error:
        # The frames around the call are those of the tasks that wait for this one, which add theirs.
        traces = (error.cause.__traceback__, error.__traceback__)
        error.place = error.place or next(filter(None, map(called_by_sdk, traces)), "")
        state.fault = state.fault or error
        raise


def contain_called_tool(tool: FunctionTool, ctx: Any) -> FunctionTool:
    """Return a tool that a run of the runtime may call: those of an agent that is a tool are the project's own."""
    is_ours = getattr(tool, _MARK, False) or not isinstance(ctx.context, RuntimeContext)
    return tool if is_ours else contain_tool(tool)
