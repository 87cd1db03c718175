"""The benchmark of reloads runs, reports what it measured, and ends its servers. Not how fast anything is."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.client import Client, Tally
from benchmarks.harness import Figure, summarise
from benchmarks.project.instant_model import TEXT
from benchmarks.projects import Edited, write_project
from benchmarks.reload import SERVERS, main, serve_edited, stream, wait_for
from benchmarks.servers import ROOT
from runtime.config.load import load_config

# One of the servers starts a new process at each save.
pytestmark = pytest.mark.timeout(900)

CUT = Figure("streams cut", "1 agent", "", keep="sum")
GAP = Figure("longest gap in a stream", "1 agent", "ms", keep="worst")
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT_EVENT = f'data: {{"type":"content_part.text_delta","delta":"{TEXT}"}}\n\n'.encode()
ERROR_EVENT = b'data: {"type":"error"}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


END = chunk(b"")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("benchmark") / "figures.json"
    output = io.StringIO()
    with redirect_stdout(output):
        assert main(["--quick", "--json", str(path)]) == 0
    assert "ratios to the handwritten server" in output.getvalue()
    assert "two readings 100 ms apart" in output.getvalue()
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_every_figure_has_a_value_for_every_server(document: dict[str, Any]) -> None:
    assert [figure for figure in document["figures"] if set(figure["values"]) != set(SERVERS)] == []
    assert document["settings"] == {"quick": True, "rounds": 1, "streams": 3, "saves": 1}
    assert set(document["included"]) == set(SERVERS)


def test_the_figures_are_the_ones_that_the_readme_names(document: dict[str, Any]) -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    names = {figure["name"] for figure in document["figures"]}
    assert names == {
        "save to first new answer",
        "a turn without a save",
        "streams cut",
        "requests failed",
        "longest stall of a request",
        "longest gap in a stream",
        "turns per second",
        "requests lost after a broken save",
        "repair to first new answer",
    }
    assert {name for name in names if f"| {name} |" not in readme} == set()


def test_no_request_is_lost_by_the_runtime(document: dict[str, Any]) -> None:
    lost = ("streams cut", "requests failed", "requests lost after a broken save")
    values = {figure["name"]: figure["values"]["runtime"] for figure in document["figures"] if figure["name"] in lost}
    assert values == dict.fromkeys(lost, 0)


def test_counts_are_added_up_and_worst_cases_kept() -> None:
    [cut, gap] = summarise(
        {
            "handwritten": [{CUT: 0, GAP: 100.0}, {CUT: 4, GAP: 10.0}, {CUT: 0, GAP: 10.0}],
            "runtime": [{CUT: 0, GAP: 10.0}, {CUT: 1, GAP: 50.0}, {CUT: 0, GAP: 20.0}],
        }
    )
    assert (cut.values, cut.ratios) == ({"handwritten": 4, "runtime": 1}, {"runtime": 0.25})
    assert (gap.values, gap.ratios) == ({"handwritten": 100.0, "runtime": 50.0}, {"runtime": 0.5})


def test_nothing_is_the_fraction_of_nothing() -> None:
    [cut] = summarise({"handwritten": [{CUT: 0}], "runtime": [{CUT: 0}]})
    assert cut.ratios == {}


@pytest.mark.parametrize("edited", ["YAML", "Python"])
def test_the_declared_project_has_no_mistake_until_it_is_broken(edited: Edited, tmp_path: Path) -> None:
    project = write_project("runtime", tmp_path / "runtime", 120, edited)
    save = project.save()
    loaded = load_config(project.folder, environ={})
    assert list(loaded.diagnostics) == []
    assert loaded.config is not None
    assert len(loaded.config.agents) == 120
    assert save.stamp in project.file.read_bytes()
    project.save_broken()
    if edited == "YAML":
        assert load_config(project.folder, environ={}).config is None
    else:
        with pytest.raises(SyntaxError):
            ast.parse(project.file.read_text())


def test_the_handwritten_project_has_as_many_agents_until_it_is_broken(tmp_path: Path) -> None:
    project = write_project("handwritten", tmp_path / "handwritten", 120, "YAML")
    first, second = project.save(), project.save()
    assert first.stamp != second.stamp
    assert second.stamp in project.file.read_bytes()
    calls = [node for node in ast.walk(ast.parse(project.file.read_text())) if isinstance(node, ast.Call)]
    assert sum(isinstance(call.func, ast.Name) and call.func.id == "Agent" for call in calls) == 120
    project.save_broken()
    with pytest.raises(SyntaxError):
        ast.parse(project.file.read_text())


def test_versions_that_follow_each_other_differ_in_size(tmp_path: Path) -> None:
    """Python takes a module of the same size and the same second for the one that it has compiled."""
    project = write_project("handwritten", tmp_path / "handwritten", 1, "Python")
    sizes = [project.save() and project.file.stat().st_size for _ in range(20)]
    assert all(len(set(sizes[at : at + 3])) == 3 for at in range(18))


def wait_until_gone(group: int) -> None:
    """Wait until no process of a group is left; the system has no event for it, so this polls."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError(f"a process of group {group} is still there")


@asynccontextmanager
async def answering(answer: Callable[[int, asyncio.StreamWriter], None]) -> AsyncIterator[int]:
    """A server of a test's own: `answer` writes what the n-th request gets, counted over all connections."""
    seen = 0
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        task = asyncio.current_task()
        assert task
        handlers.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                seen += 1
                answer(seen, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        # Each ends when its client has hung up.
        await asyncio.wait_for(asyncio.gather(*handlers), 180)


async def ask(answer: Callable[[int, asyncio.StreamWriter], None], times: int = 1, hang_s: float = 10.0) -> Tally:
    tally = Tally()
    async with answering(answer) as port:
        client = Client(port, tally, hang_s)
        for _ in range(times):
            await client.ask("paced")
        client.close()
    return tally


async def test_a_whole_answer_is_a_turn() -> None:
    tally = await ask(lambda _, writer: writer.write(HEAD + chunk(TEXT_EVENT) + END), times=3)
    assert (tally.turns, tally.cut, tally.failed) == (3, 0, 0)
    assert tally.longest_stall_s > 0


async def test_the_silence_inside_an_answer_is_seen() -> None:
    def in_two_parts(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(TEXT_EVENT))
        asyncio.get_running_loop().call_later(0.02, writer.write, END)

    tally = await ask(in_two_parts)
    assert tally.turns == 1
    assert tally.longest_gap_s > 0


async def test_an_answer_that_ends_early_is_cut() -> None:
    def cut_short(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(TEXT_EVENT))
        writer.close()

    tally = await ask(cut_short)
    assert (tally.turns, tally.cut, tally.failed) == (0, 1, 0)


async def test_an_answer_with_an_error_is_cut() -> None:
    tally = await ask(lambda _, writer: writer.write(HEAD + chunk(TEXT_EVENT + ERROR_EVENT) + END))
    assert (tally.turns, tally.cut, tally.failed) == (0, 1, 0)


async def test_a_request_without_an_answer_has_failed() -> None:
    tally = await ask(lambda _, writer: writer.close())
    assert (tally.turns, tally.cut, tally.failed) == (0, 0, 1)


async def test_a_request_that_hangs_has_failed() -> None:
    tally = await ask(lambda _, writer: None, hang_s=0.05)
    assert (tally.turns, tally.cut, tally.failed) == (0, 0, 1)
    assert tally.longest_stall_s >= 0.05


async def test_a_status_of_an_error_has_failed() -> None:
    tally = await ask(lambda _, writer: writer.write(b"HTTP/1.1 503 no\r\ncontent-length: 2\r\n\r\n{}"))
    assert (tally.turns, tally.cut, tally.failed) == (0, 0, 1)


async def test_a_kept_connection_that_was_closed_is_opened_again() -> None:
    def close_the_second(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 2:
            writer.close()
        else:
            writer.write(HEAD + chunk(TEXT_EVENT) + END)

    tally = await ask(close_the_second, times=2)
    assert (tally.turns, tally.cut, tally.failed) == (2, 0, 0)


async def test_nobody_at_the_port_is_a_failure(unused_tcp_port: int) -> None:
    tally = Tally()
    assert await Client(unused_tcp_port, tally).ask("stamp") is None
    assert (tally.turns, tally.cut, tally.failed) == (0, 0, 1)


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_serves_what_was_saved_and_all_of_it_ends_with_its_block(name: str, tmp_path: Path) -> None:
    async with serve_edited(name, tmp_path, 3, "Python", fork=True) as reloading:
        port, tally, done = reloading.server.port, Tally(), asyncio.Event()
        streaming = asyncio.create_task(stream(port, tally, done, 0.0))
        await wait_for(port, reloading.project.save(), Tally(), limit_s=600)
        done.set()
        await streaming
        assert tally.turns >= 1
        os.killpg(reloading.server.pid, 0)
    await asyncio.to_thread(wait_until_gone, reloading.server.pid)


def test_a_server_and_its_process_end_when_their_parent_is_gone(tmp_path: Path) -> None:
    project = write_project("handwritten", tmp_path / "handwritten", 1, "Python")
    project.save()
    command = [sys.executable, "-m", "benchmarks.serve", "handwritten-reload", str(project.folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdin
        assert child.stderr
        lines = iter(child.stderr.readline, b"")
        assert any(b"Application startup complete" in line for line in lines)
        child.stdin.close()
        # Both processes hold the other end: it is at its end when both are gone.
        assert child.stderr.read().endswith(b"]\n")
        assert child.wait(timeout=60) in (0, -15)
    wait_until_gone(child.pid)


def test_a_server_that_does_not_start_is_reported_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.projects.agents_yaml", lambda *_: "version: 7\n")
    assert main(["--quick", "--servers", "runtime"]) == 1
    error = capsys.readouterr().err
    assert "the server 'runtime' did not start" in error
    assert "version 7" in error


@pytest.mark.parametrize(
    "option",
    [["--only", "speed"], ["--servers", "memory"], ["--rounds", "0"], ["--agents", "1,x"], ["--streams", "-1"]],
)
def test_an_option_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)
