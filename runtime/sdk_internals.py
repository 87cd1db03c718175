"""Every private or undocumented name of another package that the runtime uses, each with a test.

Upgrading a dependency can break only this module. Each function imports what it needs when it is called, so importing
this module costs nothing. The versions are the ones that the names were last read in.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from importlib.machinery import ModuleSpec
from traceback import walk_tb
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents import Agent, FunctionTool, Handoff, Model, RunResultStreaming, RunState
    from chatkit.agents import ResponseStreamConverter, ThreadItemConverter
    from chatkit.types import Annotation, AssistantMessageContent, ThreadItem
    from jinja2 import Environment, nodes
    from jinja2.meta import TrackingCodeGenerator
    from openai import AsyncOpenAI
    from starlette.routing import BaseRoute
    from watchfiles._rust_notify import RustNotify

# agents 0.24


def put_in_run(result: RunResultStreaming, event: Any) -> None:
    """Append an event to those that `result.stream_events()` yields.

    The queue is the only place where an event of ours keeps its order among the events of the model.
    """
    result._event_queue.put_nowait(event)


def release_run(result: RunResultStreaming) -> None:
    """Let a run whose events are all taken be freed at once: its clean-up refers to it, which makes a cycle.

    The clean-up of a sandbox is kept, should it still have to run.
    """
    if result._sandbox_session is None:
        result._sandbox_cleanup = None


def current_agent_of(state: RunState[Any, Any]) -> Agent[Any] | None:
    """Return the agent that a stopped run continues with; `RunState` has no public property for it."""
    return state._current_agent


def point_to(handoff: Handoff[Any, Any], agent: Agent[Any]) -> None:
    """Make a handoff lead to an agent for `RunState.from_json`, which finds agents by this reference only."""
    import weakref

    handoff._agent_ref = weakref.ref(agent)


def run_sync_tools_with(run: Callable[..., Awaitable[Any]]) -> None:
    """Let sync function tools run by `await run(function, *args, **kwargs)`, in this whole process.

    The SDK runs them by `asyncio.to_thread`, in the event loop's one pool, in which a tool that hangs holds up all file
    work and every look-up of a host name. It has no option for it, and a tool that is decorated with `@function_tool`
    is built before the runtime sees it.
    """
    from agents import tool

    _change_asyncio(tool, to_thread=run)


def run_tasks_with(wrap: Callable[[Any], Any]) -> None:
    """Let the SDK start `wrap(coroutine)` in place of each coroutine that it starts as a task, in this whole process.

    The SDK calls guardrails, hooks, instructions and conditions in tasks. A SystemExit in one ends the event loop
    before any code around it can catch it.
    """
    import asyncio

    from agents import run, tool
    from agents.run_internal import guardrails, model_retry, run_loop, tool_execution
    from agents.util import _asyncio_tasks

    def create_task(coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        wrapped = wrap(coroutine)
        task = asyncio.create_task(wrapped, **options)
        if wrapped is not coroutine:
            # A task that is cancelled before it starts would leave it without an `await`, of which Python warns.
            task.add_done_callback(lambda _: coroutine.close())
        return task

    def ensure_future(awaitable: Any) -> asyncio.Future[Any]:
        return create_task(awaitable) if asyncio.iscoroutine(awaitable) else asyncio.ensure_future(awaitable)

    for module in (run, tool, guardrails, model_retry, run_loop, tool_execution, _asyncio_tasks):
        _change_asyncio(module, create_task=create_task, ensure_future=ensure_future)


def called_by_sdk(trace: TracebackType | None) -> str:
    """Return what the SDK called, by the variables of its frames in a traceback: `guardrail 'g' of agent 'Keeper'`."""
    what, agent = "", ""
    for frame, _ in walk_tb(trace):
        if not str(frame.f_globals.get("__name__", "")).startswith("agents."):
            continue
        values = frame.f_locals
        agent = getattr(values.get("public_agent") or values.get("agent"), "name", None) or agent
        if hasattr(values.get("guardrail"), "get_name"):
            what = f"guardrail {values['guardrail'].get_name()!r}"
        elif "needs_approval_setting" in values:
            what = f"`needs_approval` of {what}" if what else "`needs_approval`"
        elif name := getattr(values.get("function_tool") or values.get("func_tool"), "name", ""):
            what = f"tool {name!r}"
    return f"{what} of agent {agent!r}" if what and agent else what or (f"agent {agent!r}" if agent else "")


def prepare_called_tools(prepare: Callable[[FunctionTool, Any], FunctionTool]) -> None:
    """Let runs call `prepare(tool, context)` in place of each function tool that they call, in this whole process.

    An agent that is a tool of the project's own agent runs inside a closure of the SDK, which leads to the project's
    own tools. What they raise must be contained in the task that calls them.
    """
    from agents.run_internal import tool_execution

    invoke = tool_execution._invoke_function_tool_with_metadata  # type: ignore[attr-defined]

    async def invoke_prepared(*, function_tool: FunctionTool, context: Any, arguments: str) -> Any:
        tool = prepare(function_tool, context)
        return await invoke(function_tool=tool, context=context, arguments=arguments)

    tool_execution._invoke_function_tool_with_metadata = invoke_prepared  # type: ignore[attr-defined]


def watch_chat_responses(kind: type[Model], watch: Callable[[Any], Any]) -> type[Model]:
    """Return a subclass of a model of Chat Completions that passes each response through `watch` before it is read.

    A response is a completion, or a pair with the stream of chunks. The SDK reads them in `stream_response`, and keeps
    neither why an answer ended nor arguments that are no text.
    """
    name = next(name for name in ("_fetch_response", "_fetch_chat_response") if hasattr(kind, name))
    fetch = getattr(kind, name)

    async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        return watch(await fetch(self, *args, **kwargs))

    return type(kind.__name__, (kind,), {name: watched})


def read_odd_streams(client: AsyncOpenAI, events_of: Callable[[bytes], Iterable[str]]) -> None:
    """Let a client skip events whose data is no JSON, such as a `ping`, for which it would raise JSONDecodeError.

    A body that is one JSON object, of an endpoint that does not stream, has the events whose data `events_of` gives.
    """
    from openai._streaming import ServerSentEvent, SSEDecoder

    class Decoder(SSEDecoder):
        def decode(self, line: str) -> ServerSentEvent | None:
            event = super().decode(line.removeprefix("\ufeff"))
            return event if event is None or event.data.lstrip().startswith(("{", "[DONE]")) else None

        async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
            blank, body, is_json = b"\xef\xbb\xbf \r\n\t", bytearray(), False

            async def stream() -> AsyncIterator[bytes]:
                nonlocal is_json
                async for chunk in iterator:
                    if is_json or not body.strip(blank):
                        body.extend(chunk)
                        is_json = is_json or body.lstrip(blank)[:1] == b"{"
                    if not is_json:
                        yield chunk

            async for event in super().aiter_bytes(stream()):
                yield event
            for data in events_of(bytes(body)) if is_json else ():
                yield ServerSentEvent(data=data)

    client._make_sse_decoder = Decoder  # type: ignore[method-assign]


def speaks_responses(model: Model) -> bool:
    """Return whether a model of a library sends its requests to the Responses API: any-llm's do at some providers."""
    selected = getattr(model, "_selected_api", None)
    return selected is not None and selected() == "responses"


def deliver_events_before(error: Exception) -> None:
    """Let a run yield the events that it has already when it ends with this error, rather than drop them.

    The SDK does so for its own errors of a stream alone.
    """
    from agents.exceptions import _mark_error_to_drain_stream_events

    _mark_error_to_drain_stream_events(error)


def _change_asyncio(module: ModuleType, **functions: Callable[..., Any]) -> None:
    """Replace functions of asyncio for one module of the SDK."""
    changed = vars(module).get("asyncio")
    if not isinstance(changed, _ChangedAsyncio):
        changed = _ChangedAsyncio()
        vars(module)["asyncio"] = changed
    vars(changed).update(functions)


class _ChangedAsyncio:
    """The module asyncio with other functions, which are attributes of the object."""

    def __getattr__(self, name: str) -> Any:
        # Imported here: `validate` uses this module, and asyncio takes 50 ms to import.
        import asyncio

        return getattr(asyncio, name)


# chatkit 1.6


def convert_content(part: Any, converter: ResponseStreamConverter) -> Awaitable[AssistantMessageContent]:
    """Convert a part of a model's message as `stream_agent_response` does, which has no public function for it."""
    from chatkit.agents import _convert_content

    return _convert_content(part, converter)


def convert_annotation(annotation: Any, converter: ResponseStreamConverter) -> Awaitable[Annotation | None]:
    """Convert an annotation of a model's message, given as a dict, as `stream_agent_response` does."""
    from chatkit.agents import _convert_annotation

    return _convert_annotation(annotation, converter)


def convert_item(converter: ThreadItemConverter, item: ThreadItem, is_last: bool) -> Awaitable[list[Any]]:
    """Convert one thread item; the public `to_agent_input` takes each list's last item for the newest message."""
    return converter._thread_item_to_input_item(item, is_last)


# jsonschema 4.26


def search_schema_patterns_with(search: Callable[[str, str], Any]) -> None:
    """Let jsonschema call `search(pattern, text)` in place of `re.search`, in this process; no option reaches there."""
    from jsonschema import _keywords, _legacy_keywords, _utils

    for module in (_keywords, _legacy_keywords, _utils):
        module.re = _ChangedRe(search)  # type: ignore[attr-defined]  # only its `search` is another


class _ChangedRe:
    """The module re with another `search`."""

    def __init__(self, search: Callable[[str, str], Any]) -> None:
        self.search = search

    def __getattr__(self, name: str) -> Any:
        return getattr(re, name)


# fastapi 0.165


def flat_routes(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield routes and those of included routers, which FastAPI has as one route each."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is None:
            yield route
        else:
            yield from flat_routes(router.routes)


def forget_endpoints(is_ours: Callable[[str], bool], folder: str) -> None:
    """Release the functions of the modules that `is_ours` accepts, and of files below `folder`, from FastAPI's caches.

    FastAPI caches for 4,096 callables what kind of function they are, for the whole process: a reloaded project's old
    modules would stay in memory with them. Decorators fill the caches when a project module is imported, so they can't
    be kept out. `cache_clear` would also drop the entries of a host application; here only the keys of ours are
    emptied, and the rest of each entry leaves when the cache is full.
    """
    from fastapi import routing
    from fastapi.dependencies import models

    for cached in (
        models._is_gen_callable_cached,
        models._is_async_gen_callable_cached,
        models._is_coroutine_callable_cached,
    ):
        keys = (key for key in gc.get_referents(cached) if type(key) is tuple and len(key) == 1)
        for identity in (key[0] for key in keys if type(key[0]) is models._CallIdentity):
            if is_ours(_module_of(identity.call)):
                identity.call = _released
    contexts = routing._endpoint_context_cache
    for number in [number for number, context in contexts.items() if context.get("file", "").startswith(folder)]:
        del contexts[number]


def _module_of(call: Any) -> str:
    while isinstance(call, partial):
        call = call.func
    return str(getattr(call, "__module__", ""))


def _released() -> None:
    return None


# jinja2 3.1


def names_visitor(environment: Environment | None) -> TrackingCodeGenerator:
    """Return a visitor that gathers the names which a template reads in `undeclared_identifiers`.

    `jinja2.meta.find_undeclared_variables` uses the same class, but misses names in expressions that the optimizer
    evaluates at compile time.
    """
    from jinja2 import nodes
    from jinja2.meta import TrackingCodeGenerator

    class Names(TrackingCodeGenerator):
        def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> str:
            if isinstance(node, nodes.TemplateData):
                return super()._output_child_to_const(node, frame, finalize)
            raise nodes.Impossible

    assert environment is not None  # a parsed tree always has one
    visitor = Names(environment)
    visitor.optimizer = None
    return visitor


def editing_environment(base: type[Environment], edit: Callable[[nodes.Template], nodes.Template]) -> type[Environment]:
    """Return a subclass of an environment that changes each parsed template, also where it compiles one from source."""

    def parse(self: Environment, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return edit(base._parse(self, source, name, filename))

    return type(f"Editing{base.__name__}", (base,), {"_parse": parse})


# pydantic 2.13


def skip_pydantic_plugins() -> None:
    """Keep pydantic from searching every installed package for plugins, which takes longer than a short command."""
    from types import ModuleType

    name = "pydantic.plugin._loader"
    if name not in sys.modules:
        loader = ModuleType(name)
        loader.get_plugins = tuple  # type: ignore[attr-defined]  # the function that pydantic calls
        sys.modules[name] = loader


# watchfiles 1.1


def open_watch(folders: list[str]) -> RustNotify:
    """Watch folders, not those below; `watchfiles.watch` can neither change folders nor report that it watches."""
    from watchfiles._rust_notify import RustNotify

    return RustNotify(folders, False, False, 0, False, True)


# Python 3.11 to 3.13


def interpreter_flags() -> list[str]:
    """Return the options that this Python was started with, such as -X dev; multiprocessing passes them on alike."""
    import subprocess

    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # not in the stubs
    return flags


def run_exit_functions() -> None:
    """Run what was registered with `atexit`, before `os._exit` ends the process without it."""
    import atexit

    atexit._run_exitfuncs()


def mark_initializing(spec: ModuleSpec, initializing: bool) -> None:
    """Mark a module as being imported, so that Python's error for a circular import says so."""
    spec._initializing = initializing  # type: ignore[attr-defined]  # not in the stubs


def parse_pattern(pattern: str) -> Any:
    """Return the parsed form of a regular expression, a sequence of (operation, arguments). Raise re.error."""
    from re import _parser  # type: ignore[attr-defined]  # not in the stubs

    return _parser.parse(pattern)


def clear_typing_caches() -> None:
    """Release the types that `typing` has cached; a type keeps its module, and so its generation, in memory."""
    import typing

    for clear in getattr(typing, "_cleanups", ()):
        clear()
