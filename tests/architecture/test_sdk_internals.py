from __future__ import annotations

import ast
import asyncio
import atexit
import gc
import inspect
import subprocess
import sys
import typing
import weakref
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from agents import Agent, Handoff, Runner, RunResultStreaming, RunState
from chatkit import agents as chatkit_agents
from chatkit.agents import ResponseStreamConverter, ThreadItemConverter
from fastapi import APIRouter, Depends, FastAPI, routing
from fastapi.dependencies import models
from fastapi.testclient import TestClient
from jinja2 import Environment, nodes
from jinja2.meta import TrackingCodeGenerator
from jinja2.sandbox import SandboxedEnvironment
from openai import AsyncOpenAI

import runtime
from runtime import sdk_internals
from runtime.assemble.models import run_config
from tests.conversations.playing import Player

RUNTIME = Path(runtime.__file__).parent
DOCUMENTED = {"_exit", "_getframe", "_replace"}
"""Names of the standard library that its manual describes, whatever they begin with."""


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_run_has_a_queue_of_events() -> None:
    assert "_event_queue" in RunResultStreaming.__dataclass_fields__
    assert parameters(asyncio.Queue.put_nowait) == ["self", "item"]


def test_a_stopped_run_knows_its_agent() -> None:
    agent: Agent[Any] = Agent(name="helper")
    state: RunState[Any, Any] = RunState(context=None, original_input="hi", starting_agent=agent)  # type: ignore[arg-type]
    assert sdk_internals.current_agent_of(state) is agent


def test_routes_of_included_routers_are_found_at_any_depth() -> None:
    inner, outer, app = (
        APIRouter(prefix="/inner"),
        APIRouter(),
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
    )
    inner.add_api_route("/x", lambda: None, methods=["PATCH"])
    outer.include_router(inner)
    outer.add_api_route("/y", lambda: None, methods=["DELETE"])
    app.include_router(outer)
    methods = [getattr(route, "methods", None) for route in sdk_internals.flat_routes(app.routes)]
    assert methods == [{"PATCH"}, {"DELETE"}]


async def test_a_run_whose_events_are_taken_is_freed_at_once() -> None:
    result = Runner.run_streamed(Agent(name="helper", model=Player("Hello.")), "hi", run_config=run_config())
    assert [event async for event in result.stream_events()]
    assert result._sandbox_cleanup is not None
    sdk_internals.release_run(result)
    alive = weakref.ref(result)
    gc.disable()
    try:
        del result
        assert alive() is None
    finally:
        gc.enable()


def test_a_handoff_refers_to_its_agent() -> None:
    agent: Agent[Any] = Agent(name="helper")
    handoff: Handoff[Any, Any] = Handoff(
        tool_name="to",
        tool_description="",
        input_json_schema={},
        on_invoke_handoff=None,  # type: ignore[arg-type]
        agent_name="helper",
    )
    assert handoff._agent_ref is None
    sdk_internals.point_to(handoff, agent)
    assert isinstance(handoff._agent_ref, weakref.ref)
    assert handoff._agent_ref() is agent


def test_chatkit_converts_content_and_annotations() -> None:
    assert parameters(chatkit_agents._convert_content) == ["content", "converter"]
    assert parameters(chatkit_agents._convert_annotation) == ["raw_annotation", "converter"]


async def test_content_is_converted() -> None:
    from openai.types.responses import ResponseOutputText

    part = ResponseOutputText(type="output_text", text="hi", annotations=[])
    assert (await sdk_internals.convert_content(part, ResponseStreamConverter())).text == "hi"


async def test_an_annotation_is_converted() -> None:
    cited = {
        "type": "url_citation",
        "url": "https://example.com",
        "title": "An example",
        "start_index": 0,
        "end_index": 2,
    }
    annotation = await sdk_internals.convert_annotation(cited, ResponseStreamConverter())
    assert annotation is not None
    assert annotation.index == 2


def test_chatkit_converts_one_item() -> None:
    assert parameters(ThreadItemConverter._thread_item_to_input_item) == ["self", "item", "is_last_message"]


def test_only_the_functions_of_our_modules_leave_the_caches_of_fastapi() -> None:
    namespace: dict[str, Any] = {"__name__": "shop.routes"}
    exec("def dependency(): return 1\ndef endpoint(): return 1", namespace)
    alive = [weakref.ref(namespace["dependency"]), weakref.ref(namespace["endpoint"])]

    def host() -> int:
        return 2

    app = FastAPI()
    router = APIRouter()
    router.get("/ours", dependencies=[Depends(namespace["dependency"])])(namespace["endpoint"])
    app.include_router(router)
    app.get("/host")(host)
    with TestClient(app) as client:
        assert (client.get("/ours").json(), client.get("/host").json()) == (1, 2)
    misses = models._is_coroutine_callable_cached.cache_info().misses
    sdk_internals.forget_endpoints(lambda module: module.partition(".")[0] == "shop", "/no/such/folder")
    del app, router, client
    namespace.clear()
    gc.collect()
    assert [one() for one in alive] == [None, None]
    assert not models._is_coroutine_callable_cached(models._CallIdentity(host))
    assert models._is_coroutine_callable_cached.cache_info().misses == misses


def test_only_the_files_of_our_folder_leave_the_context_cache_of_fastapi() -> None:
    contexts = routing._endpoint_context_cache
    contexts[-1], contexts[-2] = {"file": "/shop/routes.py"}, {"file": "/host/routes.py"}
    try:
        sdk_internals.forget_endpoints(lambda module: False, "/shop")
        assert (-1 in contexts, -2 in contexts) == (False, True)
    finally:
        contexts.pop(-2, None)


def test_jinja_compiles_what_a_template_writes_out_in_one_method() -> None:
    assert parameters(TrackingCodeGenerator._output_child_to_const) == ["self", "node", "frame", "finalize"]
    environment = Environment()
    visitor = sdk_internals.names_visitor(environment)
    visitor.visit(environment.parse("{{ 1 if a else b }} {{ false and c }}"))
    assert visitor.undeclared_identifiers == {"a", "b", "c"}


def test_jinja_parses_in_one_method() -> None:
    assert parameters(Environment._parse) == ["self", "source", "name", "filename"]

    def edit(tree: nodes.Template) -> nodes.Template:
        for data in tree.find_all(nodes.TemplateData):
            data.data = data.data.upper()
        return tree

    kind = sdk_internals.editing_environment(SandboxedEnvironment, edit)
    assert kind().from_string("hi {{ name }}").render(name="ann") == "HI ann"


def test_pydantic_looks_for_plugins_in_one_module(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic.plugin import _loader

    assert parameters(_loader.get_plugins) == []
    monkeypatch.delitem(sys.modules, "pydantic.plugin._loader")
    sdk_internals.skip_pydantic_plugins()
    stub = sys.modules["pydantic.plugin._loader"]
    assert isinstance(stub, ModuleType)
    assert stub.get_plugins() == ()
    sdk_internals.skip_pydantic_plugins()
    assert sys.modules["pydantic.plugin._loader"] is stub


def test_watchfiles_watches_folders(tmp_path: Path) -> None:
    watch = sdk_internals.open_watch([str(tmp_path)])
    try:
        (tmp_path / "new").write_text("x")
        assert {Path(path).name for _, path in watch.watch(50, 10, 10_000, None)} == {"new"}
    finally:
        watch.close()


def test_python_tells_its_own_flags() -> None:
    assert parameters(subprocess._args_from_interpreter_flags) == []  # type: ignore[attr-defined]
    assert isinstance(sdk_internals.interpreter_flags(), list)


def test_exit_functions_can_be_run_early() -> None:
    assert callable(atexit._run_exitfuncs)
    script = (
        "import atexit, os; from runtime.sdk_internals import run_exit_functions\n"
        "atexit.register(print, 'bye', flush=True); run_exit_functions(); os._exit(0)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["bye"]


def test_python_says_that_a_module_is_partially_initialized() -> None:
    module = ModuleType("half")
    module.__spec__ = ModuleSpec("half", None)
    sdk_internals.mark_initializing(module.__spec__, True)
    with pytest.raises(AttributeError, match="partially initialized module 'half'"):
        module.missing  # noqa: B018
    sdk_internals.mark_initializing(module.__spec__, False)
    with pytest.raises(AttributeError, match=r"^module 'half'"):
        module.missing  # noqa: B018


def test_the_caches_of_typing_can_be_cleared() -> None:
    assert typing._cleanups  # type: ignore[attr-defined]
    kind = type("Kind", (), {})
    alive = weakref.ref(kind)
    assert typing.Optional[kind] is not None  # noqa: UP045
    del kind
    sdk_internals.clear_typing_caches()
    gc.collect()
    assert alive() is None


@pytest.mark.once
def test_importing_it_loads_no_other_package() -> None:
    script = "import sys; import runtime.sdk_internals; print(*{name.partition('.')[0] for name in sys.modules})"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    packages = {"agents", "chatkit", "fastapi", "jinja2", "openai", "pydantic", "starlette", "watchfiles"}
    assert not packages & set(told.stdout.split())


@pytest.mark.once
def test_no_other_module_uses_a_private_name_of_another_package() -> None:
    trees = {path: ast.parse(path.read_text()) for path in RUNTIME.rglob("*.py")}
    own = {name for tree in trees.values() for name in _defined_names(tree)} | DOCUMENTED
    uses = [
        f"{path.relative_to(RUNTIME)}:{line} {name}"
        for path, tree in trees.items()
        if path.name not in ("sdk_internals.py", "sdk_shortcuts.py")
        for line, name in _private_names(tree, own)
    ]
    assert uses == []


def _defined_names(tree: ast.AST) -> typing.Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(attr=name, value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                yield name


def _private_names(tree: ast.AST, own: set[str]) -> typing.Iterator[tuple[int, str]]:
    if_typing = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    skipped = {id(inner) for node in if_typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name) if _is_private(name):
                # A method that overrides one of another package's has a name that is defined here, too.
                yield node.lineno, f"super().{name}"
            case ast.Attribute(attr=name) if _is_private(name) and name not in own:
                yield node.lineno, name
            case ast.ImportFrom(module=str(module)) if not module.startswith(("runtime", "__future__")):
                names = [*module.split("."), *(alias.name for alias in node.names)]
                yield from ((node.lineno, name) for name in names if _is_private(name))
            case ast.Import():
                names = [part for alias in node.names for part in alias.name.split(".")]
                yield from ((node.lineno, name) for name in names if _is_private(name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


async def test_sync_tools_run_by_a_function_of_ours() -> None:
    import asyncio
    import threading

    from agents import function_tool
    from agents.tool_context import ToolContext

    from runtime.resources.threads import ToolThreads, in_tool_thread, tool_threads

    sdk_internals.run_sync_tools_with(in_tool_thread)
    tool = function_tool(lambda: threading.current_thread().name, name_override="where")
    context = ToolContext(context=None, tool_name="where", tool_call_id="1", tool_arguments="{}")
    tool_threads.set(ToolThreads(1))
    assert str(await tool.on_invoke_tool(context, "{}")).startswith("tool_")
    assert asyncio.to_thread.__module__ == "asyncio.threads"


def test_runs_call_tools_that_are_prepared() -> None:
    from agents.run_internal import tool_execution

    import runtime.assemble.tools  # noqa: F401  # prepares them

    assert tool_execution._invoke_function_tool_with_metadata.__module__ == "runtime.sdk_internals"


async def test_the_sdk_starts_tasks_that_are_wrapped() -> None:
    from agents.run_internal import guardrails

    import runtime.assemble.tools  # noqa: F401  # wraps them

    for module in (guardrails, sys.modules["agents.util._asyncio_tasks"], sys.modules["agents.run"]):
        changed = vars(module)["asyncio"]
        assert changed.create_task.__module__ == changed.ensure_future.__module__ == "runtime.sdk_internals"
        assert await changed.create_task(asyncio.sleep(0, "slept")) == "slept"
        assert changed.Task is asyncio.Task
    assert asyncio.create_task.__module__ == "asyncio.tasks"


async def test_what_the_sdk_called_is_found_in_a_traceback() -> None:
    from agents import InputGuardrail, RunContextWrapper
    from agents.run_internal.guardrails import run_single_input_guardrail

    def fail(ctx: Any, agent: Any, text: Any) -> Any:
        raise ZeroDivisionError

    guardrail: InputGuardrail[Any] = InputGuardrail(fail, name="g")
    with pytest.raises(ZeroDivisionError) as failed:
        await run_single_input_guardrail(Agent(name="Keeper"), guardrail, "hi", RunContextWrapper(None))
    assert sdk_internals.called_by_sdk(failed.value.__traceback__) == "guardrail 'g' of agent 'Keeper'"
    assert sdk_internals.called_by_sdk(None) == ""


def test_a_chat_model_fetches_its_responses_in_one_function() -> None:
    from agents import OpenAIChatCompletionsModel

    assert list(inspect.signature(OpenAIChatCompletionsModel._fetch_response).parameters)[:2] == [
        "self", "system_instructions",
    ]  # fmt: skip


def test_a_run_delivers_its_events_before_an_error_that_is_marked() -> None:
    from agents.exceptions import _should_drain_stream_events_before_raising

    error = ValueError()
    sdk_internals.deliver_events_before(error)
    assert _should_drain_stream_events_before_raising(error)


async def test_a_client_skips_events_without_json_and_reads_a_body_that_is_no_stream() -> None:
    client = AsyncOpenAI(api_key="any")
    sdk_internals.read_odd_streams(client, lambda body: [body.decode("utf-8-sig")])

    async def events(*chunks: bytes) -> list[str]:
        async def body() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return [event.data async for event in client._make_sse_decoder().aiter_bytes(body())]

    stream = b"\xef\xbb\xbfdata: {}\n\ndata:\n\ndata: ping\n\ndata: null\n\n: wait\n\ndata: [DONE]\n\n"
    assert await events(stream) == await events(*(bytes([byte]) for byte in stream)) == ["{}", "[DONE]"]
    assert await events(b"\xef\xbb\xbf", b"\n {", b'"id": 1}\n') == ['\n {"id": 1}\n']
    assert await events() == await events(b"\n", b" ") == await events(b"<html>{}</html>") == []
