"""Real MCP servers over stdio, Streamable HTTP and SSE; a failing one affects nothing else."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunContextWrapper
from agents.exceptions import UserError
from agents.mcp import MCPServerStdio
from starlette.types import Receive, Scope, Send

from runtime.errors import ConfigError
from runtime.server.preflight import try_connections
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.mcp_server import make_server
from tests.conversations.playing import call
from tests.examples.serving import serving

PROGRAM = str(Path(__file__).with_name("mcp_server.py"))


def _stdio(**more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": [PROGRAM], "env": {"BRANCH": "Oslo"}, **more}


def _config(server: dict[str, Any], *tools: str, **more: Any) -> dict[str, Any]:
    return {"mcp": {"library": server}, "agents": {"clerk": {"tools": list(tools or ("library.*",))}}, **more}


class _Noting:
    """An ASGI app around a server's own; it notes the headers of each request."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await self.app(scope, receive, send)


@contextmanager
def _http(kind: str, calls: list[Any]) -> Iterator[tuple[str, _Noting]]:
    server = make_server(calls)
    app = _Noting(server.streamable_http_app() if kind == "http" else server.sse_app())
    with serving(app) as url:
        yield f"{url}/{'mcp' if kind == 'http' else 'sse'}", app


async def test_the_tools_of_a_program_are_offered_and_called(chat: MakeChat) -> None:
    client = await chat(_config(_stdio()))
    client.player.replies = [[call("find_book", title="Momo")], "Found."]
    assert (await client.say("find Momo")).said == ["Found."]
    assert client.player.asked[0].tools == ["find_book", "lend_book", "burn_book", "who_asks", "leave"]
    assert "Momo is on shelf 7 of Oslo" in str(client.player.asked[1].input[-1]["output"])


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_the_tools_of_a_server_behind_a_url_are_called_with_its_headers(chat: MakeChat, transport: str) -> None:
    calls: list[Any] = []
    with _http(transport, calls) as (url, app):
        declared = {"url": url, "headers": {"Authorization": "Bearer ${KEY}"}, "transport": transport}
        client = await chat(_config(declared, "library.find_book"), environ={"KEY": "k-123"})
        client.player.replies = [[call("find_book", title="Momo")], "Found."]
        assert (await client.say("find Momo")).said == ["Found."]
        assert client.player.asked[0].tools == ["find_book"]
        assert calls == [("find_book", "Momo")]
        assert {headers.get("authorization") for headers in app.headers} == {"Bearer k-123"}
        await client.runtime.close()


async def test_an_agent_gets_what_it_names_under_the_prefix(chat: MakeChat) -> None:
    server = _stdio(exclude=["burn_book"], tools=["find_book", "lend_book", "burn_book"], prefix="lib_")
    config = _config(server, "library.*")
    config["agents"]["reader"] = {"tools": ["library.lend_book"]}
    config |= {"entry": "clerk"}
    config["agents"]["clerk"]["handoffs"] = ["reader"]
    client = await chat(config)
    client.player.replies = [[call("transfer_to_reader")], [call("lib_lend_book", title="Momo")], "Yours."]
    assert (await client.say("lend Momo")).said == ["Yours."]
    assert client.player.asked[0].tools == ["lib_find_book", "lib_lend_book"]
    assert client.player.asked[1].tools == ["lib_lend_book"]
    assert "Momo is yours" in str(client.player.asked[2].input[-1]["output"])


async def test_a_tool_that_fails_is_an_error_for_the_model_and_in_the_log(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(_config(_stdio()))
    client.player.replies = [
        [call("burn_book", title="Momo")],
        "It can't be done.",
        [call("find_book", title="M")],
        "F.",
    ]
    first = await client.say("burn Momo")
    assert first.said == ["It can't be done."]
    assert "Error executing tool burn_book" in str(client.player.asked[1].input[-1]["output"])
    assert (
        "tool 'burn_book' of the MCP server 'library' reports an error: Error executing tool burn_book" in caplog.text
    )
    assert (await client.say("find", first.thread_id)).said == ["F."]


async def test_a_server_that_is_down_takes_only_its_own_tools_down(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = _config({"url": f"http://127.0.0.1:{port}/mcp", "connect_timeout": "5s"}, "library.*", "plain")
    config["tools"] = {"plain": {"effect": "blink", "description": "Blink."}}
    client = await chat(config)
    assert (await client.say("hello")).said == ["Fine."]
    assert client.player.asked[0].tools == ["plain"]
    assert "the MCP server 'library' is left out" in caplog.text
    # It is not asked again at once: nobody waits for it in every turn.
    caplog.clear()
    assert (await client.say("hello")).said == ["Fine."]
    assert "left out" not in caplog.text


async def test_a_program_that_is_not_there_takes_only_its_own_tools_down(chat: MakeChat) -> None:
    client = await chat(_config({"command": "no-such-program-anywhere"}))
    assert (await client.say("hello")).said == ["Fine."]
    assert client.player.asked[0].tools == []


async def test_a_server_that_comes_back_is_connected_again(chat: MakeChat, tmp_path: Path) -> None:
    started = tmp_path / "started"
    client = await chat(_config({**_stdio(), "args": [PROGRAM, str(started)], "timeout": "180s"}))
    client.player.replies = [[call("leave")], "It is gone.", [call("find_book", title="Momo")], "Found."]
    first = await client.say("leave")
    assert first.said == ["It is gone."]
    assert (await client.say("find Momo", first.thread_id)).said == ["Found."]
    assert "Momo is on shelf 7" in str(client.player.asked[-1].input[-1]["output"])
    assert len(started.read_text().splitlines()) == 2


async def test_an_edit_keeps_the_connection_unless_it_is_about_it(chat: MakeChat, tmp_path: Path) -> None:
    started = tmp_path / "started"
    server = {**_stdio(), "args": [PROGRAM, str(started)]}
    client = await chat(_config(server, chat={"greeting": "Hello"}))
    await client.say("one")
    _edit(client, '"Hello"', '"Good day"')
    assert (await client.runtime.reload()).status == "reloaded"
    await client.say("two")
    assert len(started.read_text().splitlines()) == 1
    _edit(client, '"Oslo"', '"Bergen"')
    assert (await client.runtime.reload()).status == "reloaded"
    client.player.replies = [[call("find_book", title="Momo")], "Found."]
    await client.say("three")
    assert "Bergen" in str(client.player.asked[-1].input[-1]["output"])
    assert len(started.read_text().splitlines()) == 2


# The two sources differ in size: Python tells a stale .pyc file by size and by whole seconds.
SOURCE = Path(PROGRAM).read_text(encoding="utf-8").replace("shelf 7", "shelf 8")


@pytest.mark.parametrize(
    "command",
    [
        {"args": ["servers/library.py"]},
        {"args": ["library.py"], "cwd": "servers"},
        {"args": ["-m", "servers.library"]},
    ],
)
async def test_an_edit_of_a_programs_source_starts_it_again(
    chat: MakeChat, tmp_path: Path, command: dict[str, Any]
) -> None:
    started = tmp_path / "started"
    server = {**_stdio(), **command, "args": [*command["args"], str(started)]}
    client = await chat(_config(server), servers__library_py=SOURCE)
    for shelf in ("shelf 8", "shelf 11"):
        client.player.replies = [[call("find_book", title="Momo")], "Found."]
        await client.say("find it")
        assert shelf in str(client.player.asked[-1].input[-1]["output"])
        (client.folder / "servers/library.py").write_text(SOURCE.replace("shelf 8", "shelf 11"))
        outcome = await client.runtime.reload()
        assert outcome.status == ("reloaded" if shelf == "shelf 8" else "unchanged")
    assert len(started.read_text().splitlines()) == 2


def _edit(client: Chat, old: str, new: str) -> None:
    path = client.folder / "agents.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@EVERY_TURN
async def test_calls_of_a_server_may_need_approval(chat: MakeChat) -> None:
    client = await chat(_config(_stdio(needs_approval=["lend_book"])))
    client.player.replies = [[call("lend_book", title="Momo")], "It is yours."]
    asked = await client.say("lend Momo")
    [card] = asked.done("widget")
    assert card["widget"]["children"][0]["value"] == "Allow lend_book?"
    action = card["widget"]["confirm"]["action"]
    answer = await client.act(asked.thread_id, action["type"], action["payload"], card["id"])
    assert answer.said == ["It is yours."]
    assert "Momo is yours" in str(client.player.asked[-1].input[-1]["output"])


async def test_connect_says_what_is_not_there(chat: MakeChat) -> None:
    client = await chat(_config(_stdio(), "library.find_boak", "library.lend_book"))
    [diagnostic] = [each for each in await try_connections(client.runtime) if each.code == "A631"]
    assert diagnostic.message == "the MCP server 'library' has no tool 'find_boak'"
    assert diagnostic.hint == "did you mean 'find_book'?"
    assert diagnostic.path == "agents.clerk.tools[0]"


async def test_nothing_stays_behind_when_the_server_closes(chat: MakeChat, tmp_path: Path) -> None:
    started = tmp_path / "started"
    client = await chat(_config({**_stdio(), "args": [PROGRAM, str(started)]}))
    await client.say("hello")
    await client.runtime.close()
    [pid] = started.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


OWN = """
import sys
from agents.mcp import MCPServerStdio

made = []

def connect(branch):
    made.append(branch)
    return MCPServerStdio({"command": sys.executable, "args": [PROGRAM], "env": {"BRANCH": branch}})

def nothing():
    return "no server"

number = 7
"""


async def test_python_may_make_the_server(chat: MakeChat) -> None:
    code = OWN.replace("PROGRAM", repr(PROGRAM))
    server = {"python": "app.mcp:connect", "with": {"branch": "Bergen"}, "exclude": ["burn_book"]}
    client = await chat(_config(server), app__mcp_py=code)
    client.player.replies = [[call("find_book", title="Momo")], "Found."]
    assert (await client.say("find Momo")).said == ["Found."]
    assert "burn_book" not in client.player.asked[0].tools
    assert "Momo is on shelf 7 of Bergen" in str(client.player.asked[1].input[-1]["output"])
    await client.runtime.close()


async def test_python_that_makes_no_server_is_left_out_and_what_can_make_none_is_refused(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(_config({"python": "app.mcp:nothing"}), app__mcp_py=OWN)
    assert (await client.say("hello")).said == ["Fine."]
    assert "returned str, not an agents.mcp.MCPServer" in caplog.text
    with pytest.raises(ConfigError, match="is an int") as caught:
        await chat(_config({"python": "app.mcp:number"}), name="other", app__mcp_py=OWN)
    assert [diagnostic.path for diagnostic in caught.value.diagnostics] == ["mcp.library.python"]


NAMES = """
import asyncio

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool
import sys

NAMES = sys.argv[1:]


async def list_tools(ctx, params):
    schema = {"type": "object", "properties": {}}
    return ListToolsResult(tools=[Tool(name=name, description=name, input_schema=schema) for name in NAMES])


async def call_tool(ctx, params):
    return CallToolResult(content=[TextContent(type="text", text=f"called {params.name}")])


async def main():
    server = Server("names", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

asyncio.run(main())
"""
LONG = "look_up_the_opening_hours_of_the_branch_that_is_nearest_to_the_reader_at_home"


def _named(*names: str, **more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["names.py", *names], **more}


async def test_tools_of_one_name_and_with_names_that_apis_refuse_are_called_by_names_of_ours(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    config = {
        "mcp": {"files": _named("search", "files.read", LONG), "wiki": _named("search", needs_approval=["other"])},
        "agents": {"clerk": {"tools": ["files.*", "wiki.*"]}},
    }
    client = await chat(config, names_py=NAMES)
    client.player.replies = [[call("wiki_search"), call("search"), call("files_read")], "Done."]
    assert (await client.say("go")).said == ["Done."]
    asked, after = client.player.asked
    assert asked.tools[:2] + asked.tools[3:] == ["search", "files_read", "wiki_search"]
    long = asked.tools[2]
    assert (long[:57], len(long)) == (LONG[:57], 64)
    outputs = [str(item["output"]) for item in after.of("function_call_output")]
    assert [text for text in ("called search", "called search", "called files.read") if text not in str(outputs)] == []
    assert "the model knows 'search' of the MCP server 'wiki' as 'wiki_search': 'search' is taken" in caplog.text
    client.player.replies = [[call(long)], "Done."]
    assert (await client.say("go on")).said == ["Done."]
    assert f"called {LONG}" in str(client.player.asked[-1].of("function_call_output"))


@EVERY_TURN
async def test_a_tool_that_got_another_name_still_asks_for_approval(chat: MakeChat) -> None:
    config = {
        "mcp": {"files": _named("burn"), "wiki": _named("burn", needs_approval=["burn"])},
        "agents": {"clerk": {"tools": ["files.*", "wiki.*"]}},
    }
    client = await chat(config, names_py=NAMES)
    client.player.replies = [[call("wiki_burn")], "Burnt."]
    answer = await client.say("go")
    assert answer.said == []
    assert len(client.player.asked) == 1
    client.player.replies = [[call("burn")], "Burnt."]
    assert (await client.say("then the other")).said == ["Burnt."]


async def test_connect_says_at_the_line_which_tools_get_another_name(chat: MakeChat) -> None:
    config = {
        "mcp": {"files": _named("search", "a.b"), "wiki": _named("search")},
        "agents": {"clerk": {"tools": ["files.*", "wiki.*"]}},
    }
    client = await chat(config, names_py=NAMES)
    found = [(each.code, each.path, each.message) for each in await try_connections(client.runtime)]
    assert [each for each in found if each[0] == "A209"] == [
        (
            "A209",
            "agents.clerk.tools[0]",
            "the model knows 'a.b' of the MCP server 'files' as 'a_b': 'a.b' is refused by the APIs of models",
        ),
        (
            "A209",
            "agents.clerk.tools[1]",
            "the model knows 'search' of the MCP server 'wiki' as 'wiki_search': 'search' is taken",
        ),
    ]


async def test_an_error_of_the_protocol_reaches_the_log_and_the_model_as_error_says(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
from agents.mcp import MCPServer
from mcp import MCPError
from mcp.types import Tool

class Broken(MCPServer):
    name = "broken"
    async def connect(self): ...
    async def cleanup(self): ...
    async def list_prompts(self): ...
    async def get_prompt(self, name, arguments=None): ...
    async def list_tools(self, run_context=None, agent=None):
        return [Tool(name="find", inputSchema={"type": "object", "properties": {}})]
    async def call_tool(self, tool_name, arguments, meta=None):
        raise MCPError(-32602, "the index is closed")
"""
    server = {"python": "acts:Broken", "error": "Not now: {{ error }}"}
    client = await chat({"mcp": {"lib": server}, "agents": {"clerk": {"tools": ["lib.*"]}}}, acts_py=code)
    client.player.replies = [[call("find")], "It can't be done."]
    assert (await client.say("find it")).said == ["It can't be done."]
    assert client.player.asked[1].input[-1]["output"] == "Not now: the index is closed"
    assert "tool 'find' of agent 'clerk' (MCP server 'lib') failed" in caplog.text
    assert "the index is closed" in caplog.text


async def test_the_bare_sdk_fails_on_two_servers_with_a_tool_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "names.py").write_text(NAMES)
    program = {"command": sys.executable, "args": [str(tmp_path / "names.py"), "search"]}
    async with MCPServerStdio(program, name="files") as files, MCPServerStdio(program, name="wiki") as wiki:
        agent: Agent[None] = Agent(name="clerk", mcp_servers=[files, wiki])
        with pytest.raises(UserError, match="Duplicate tool names found across MCP servers"):
            await agent.get_all_tools(RunContextWrapper(None))
