"""The benchmark of turns runs, reports what it measured, and ends its servers. Not how fast anything is."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from benchmarks.client import Connection, check_server, create_thread
from benchmarks.harness import Figure, Line, Session, summarise
from benchmarks.servers import ROOT, Server, parse_cpu_time, serve_project
from benchmarks.turns import main

SERVERS = {"handwritten", "memory", "sqlite"}
CPU = Figure("CPU per turn", "1 stream", "ms")
RATE = Figure("turns per second", "1 stream", "1/s", "higher")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("benchmark") / "figures.json"
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        assert main(["--quick", "--json", str(path)]) == 0, errors.getvalue()
    assert "ratios to the handwritten server" in output.getvalue()
    assert re.search(r"^sqlite is process \d+$", errors.getvalue(), re.MULTILINE)
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_every_figure_has_a_value_and_a_ratio_for_every_server(document: dict[str, Any]) -> None:
    for figure in document["figures"]:
        assert set(figure["values"]) == SERVERS
        assert set(figure["ratios"]) == SERVERS - {"handwritten"}
        assert all(value > 0 for value in figure["values"].values())


def test_the_figures_are_the_ones_that_the_readme_names(document: dict[str, Any]) -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    names = {figure["name"] for figure in document["figures"]}
    assert names == {
        "turns per second",
        "time to first event",
        "time to first text",
        "CPU per turn",
        "CPU per request",
        "time of a request",
    }
    assert all(f"| {name} |" in readme for name in names)


def test_the_document_says_what_was_measured_on_what(document: dict[str, Any]) -> None:
    assert document["format"] == 1
    assert document["baseline"] == "handwritten"
    assert document["settings"] == {"quick": True, "turns": 8, "rounds": 1}
    assert document["environment"]["packages"]["openai-chatkit"]
    assert set(document["events_per_turn"]) == SERVERS
    # thread, user message, options, message, part, 50 deltas, part, message
    assert document["events_per_turn"]["handwritten"] == 57


def test_a_ratio_is_taken_inside_a_round() -> None:
    [cpu, rate] = summarise(
        {
            "handwritten": [{CPU: 10.0, RATE: 50.0}, {CPU: 40.0, RATE: 20.0}, {CPU: 10.0, RATE: 50.0}],
            "memory": [{CPU: 5.0, RATE: 100.0}, {CPU: 20.0, RATE: 40.0}, {CPU: 8.0, RATE: 50.0}],
        }
    )
    assert cpu.values == {"handwritten": 10.0, "memory": 8.0}
    assert cpu.ratios == {"memory": 0.5}
    assert rate.ratios == {"memory": 2.0}


def test_the_largest_of_a_series_is_compared_with_the_smallest_inside_a_round() -> None:
    small, large = (
        Figure("CPU per turn", f"thread of {items:,} items", "ms", series="items", size=items) for items in (10, 1000)
    )
    lines = summarise(
        {
            "handwritten": [{small: 10.0}, {CPU: 1.0}, {large: 20.0}, {small: 20.0}, {large: 20.0}],
            "memory": [{small: 5.0}, {CPU: 1.0}, {large: 5.5}, {small: 5.0}, {large: 7.5}],
        }
    )
    assert [line.figure for line in lines[:2] + lines[3:]] == [small, large, CPU]
    growth = lines[2]
    assert growth.figure == Figure("growth of CPU per turn", "thread of 1,000 items against 10", "x")
    assert growth.values == {"handwritten": 1.5, "memory": pytest.approx(1.3)}
    assert growth.ratios == {"memory": pytest.approx((0.55 + 1.5) / 2)}


def test_what_a_server_does_not_have_is_left_out() -> None:
    small, large = (Figure("CPU", str(size), "ms", series="agents", size=size) for size in (1, 100))
    [_, line, growth] = summarise({"handwritten": [], "memory": [{small: 5.0}, {large: 10.0}]})
    assert (line.values, line.ratios) == ({"memory": 10.0}, {})
    assert (growth.values, growth.ratios) == ({"memory": 2.0}, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:01:02", 62.0), ("1-00:00:01", 86401.0), ("0:01.25", 1.25), ("12:00", 720.0)]
)
def test_the_cpu_time_of_ps_is_read(text: str, seconds: float) -> None:
    assert parse_cpu_time(text) == seconds


async def test_a_server_answers_as_it_should_and_ends_with_its_block(tmp_path: Path) -> None:
    async with serve_project("handwritten", tmp_path) as server:
        assert await check_server(server) == 57
        assert server.cpu_s > 0
        assert server.resident_bytes > 10_000_000
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_a_server_ends_with_a_block_that_fails_while_a_stream_is_open(tmp_path: Path) -> None:
    started: list[Server] = []

    async def fail() -> None:
        async with serve_project("handwritten", tmp_path, fork=True) as server:
            started.append(server)
            connection = await Connection.open(server.port)
            connection.send(create_thread("hold"))
            await connection.text()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)


def test_a_server_ends_when_its_parent_is_gone() -> None:
    program = "import time; from benchmarks.serve import end_with_parent; end_with_parent(); print(1, flush=True)"
    command = [sys.executable, "-c", f"{program}; time.sleep(600)"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == b"1\n"
        child.stdin.close()
        assert child.wait(timeout=60) == -15


def test_a_server_that_does_not_start_is_reported_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agents.yaml").write_text("version: 7\n")
    monkeypatch.setattr("benchmarks.servers.PROJECT", tmp_path)
    assert main(["--quick", "--only", "reads", "--servers", "memory"]) == 1
    error = capsys.readouterr().err
    assert "the server 'memory' did not start" in error
    assert "version" in error


@pytest.mark.parametrize(("gate", "code"), [(0.4, 1), (0.6, 0)])
def test_the_gate_fails_above_its_ratio(
    gate: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [Line(CPU, {"handwritten": 10.0, "memory": 5.0}, {"memory": 0.5})]
    monkeypatch.setattr(Session, "publish", lambda *_args, **_more: lines)
    monkeypatch.setattr(Session, "measure", lambda *_args: _nothing())
    assert main(["--quick", "--only", "turns", "--servers", "handwritten", "--gate", str(gate)]) == code
    assert ("1 stream, memory: 0.50" in capsys.readouterr().err) == bool(code)


async def _nothing() -> None:
    return None


@pytest.mark.parametrize("option", [["--only", "idle"], ["--servers", "mine"], ["--rounds", "0"]])
def test_an_option_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)
