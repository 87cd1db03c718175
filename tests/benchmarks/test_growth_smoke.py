"""The benchmark of growth runs, and the servers hold what their plan contains. Not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.client import check_server, connect, list_items, read_requests
from benchmarks.growth import main
from benchmarks.project.instant_model import TEXT
from benchmarks.projects import Plan, agents_yaml, handoffs_of, thread_name
from benchmarks.servers import ROOT, SERVERS, serve_project
from runtime.config.load import load_config

# Thirteen servers start, one after another.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    assert main(["--quick", "--servers", "handwritten,sqlite", "--items", "10,30", "--json", str(file)]) == 0
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


def test_every_figure_is_taken_for_every_size_and_compared(document: dict[str, Any]) -> None:
    cases = {figure["case"] for figure in document["figures"]}
    assert cases >= {
        "thread of 10 items",
        "thread of 30 items against 10",
        "threads.list, 10 threads",
        "items.list, 40 threads against 10",
        "1 agent",
        "12 agents against 1",
        "thread of 400 items against 100",
        "4,000 threads against 100",
    }
    assert document["settings"] == {"quick": True, "turns": 2, "rounds": 1}
    grown = {figure["name"] for figure in document["figures"] if figure["name"].startswith("growth of ")}
    assert grown == {f"growth of {figure['name']}" for figure in document["figures"] if figure["size"]}


def test_only_ours_asks_for_approval_and_has_pages_of_a_large_store(document: dict[str, Any]) -> None:
    for figure in document["figures"]:
        both = not any(word in figure["name"] for word in ("approval", "last items", "first threads"))
        servers = {"handwritten", "sqlite"} if both else {"sqlite"}
        if figure["name"].startswith("growth of"):
            # The system counts CPU in steps of 10 ms: nothing is a multiple of none.
            assert set(figure["values"]) <= servers
        else:
            assert set(figure["values"]) == servers
            assert set(figure["ratios"]) == ({"sqlite"} if both and figure["values"]["handwritten"] else set())


def test_the_figures_are_the_ones_that_the_readme_names(document: dict[str, Any]) -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    names = {figure["name"] for figure in document["figures"] if figure["size"]}
    assert {name for name in names if f"| {name} |" not in readme} == set()


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_holds_what_was_planned(name: str, tmp_path: Path) -> None:
    plan = Plan(threads=((2, 3), (8, 1)), agents=3)
    async with serve_project(name, tmp_path, plan, fork=True) as server, connect(server) as [connection]:
        listed = await connection.post(read_requests("")["threads.list"])
        items = await connection.post(list_items(thread_name(8, 0)))
        await check_server(server)
    wanted = [thread_name(2, 0), thread_name(2, 1), thread_name(2, 2), thread_name(8, 0)]
    assert sorted(thread["id"] for thread in json.loads(listed.content)["data"]) == wanted
    kinds = [item["type"] for item in json.loads(items.content)["data"]]
    assert kinds == ["user_message", "assistant_message"] * 4
    assert items.content.count(TEXT.encode()) == 4


def test_every_agent_is_reached_once(tmp_path: Path) -> None:
    assert sorted(target for number in range(120) for target in handoffs_of(number, 120)) == list(range(1, 120))
    for file in ("instant_model.py", "cards.py"):
        (tmp_path / file).write_text((ROOT / "benchmarks" / "project" / file).read_text())
    (tmp_path / "agents.yaml").write_text(agents_yaml(120, with_approval=True))
    loaded = load_config(tmp_path, environ={})
    assert list(loaded.diagnostics) == []
    assert loaded.config is not None
    assert len(loaded.config.agents) == 120


@pytest.mark.parametrize("option", [["--only", "idle"], ["--items", "ten"], ["--agents", "0"], ["--servers", "mine"]])
def test_an_option_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)
