"""The programs of the documentation, run as they stand there."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from agents import Agent, RunConfig, Runner

from runtime.assemble.scripted_model import load_script
from runtime.assemble.widgets import draw_tree
from runtime.cli.commands.init import init_project
from runtime.config.load import load_config
from runtime.server.app import create_app
from runtime.testing import parse_events
from runtime.validation.project import check_project
from tests.stores.test_conformance import ShelfStore

ROOT = Path(__file__).parents[2]
STORE_IMPORTS = """\
from typing import Any
from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
"""


def snippet(page: str, word: str, language: str = "python") -> str:
    """The one block of a page that has the word in it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    [block] = [block for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if word in block]
    return str(block)


def pytest_in(folder: Path, *arguments: str) -> str:
    """Run pytest in a folder, as its owner would; gives what it printed."""
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_tests_of_a_project_run_as_they_are_written(tmp_path: Path) -> None:
    for name in ("agents.yaml", "tools", "widgets", "demo", "prompts"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_agent.py").write_text(snippet("guide/testing.md", "httpx.ASGITransport"))
    assert "2 passed" in pytest_in(tmp_path)
    assert not (tmp_path / ".chatkit").exists()


CATS = "class CatStore:\n    def __init__(self) -> None:\n        self.names: list[str] = []\n"
WRONG = """
from agents import RunContextWrapper
from app.context import Context


def wrong(ctx: RunContextWrapper[Context]) -> str:
    return str(ctx.context.cat)
"""


def write_snippets(page: str, folder: Path) -> None:
    """Write each block of a page that begins with the name of its file."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, block in re.findall(r"```python\n# (app/\S+)\n(.*?)```", text, re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(block)


def test_mypy_in_strict_mode_knows_the_objects_of_state(tmp_path: Path) -> None:
    assert init_project(tmp_path, force=True) == 0
    write_snippets("guide/python.md", tmp_path)
    (tmp_path / "app" / "cats.py").write_text(CATS)
    (tmp_path / "app" / "wrong.py").write_text(WRONG)
    (tmp_path / "mypy.ini").write_text(snippet("guide/python.md", "strict = true", "ini"))
    readme = (tmp_path / "README.md").read_text()
    assert "strict = true\nexplicit_package_bases = true\nfiles = tools" in readme
    # The cache is that of the runtime's own check, so that the SDKs are read once.
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    errors = [line for line in ran.stdout.splitlines() if ": error: " in line]
    assert [line.partition(": error: ")[0] for line in errors] == ["app/wrong.py:7"], ran.stdout + ran.stderr
    assert '"Context" has no attribute "cat"' in errors[0]


async def test_what_a_sample_does_in_python_works_as_the_page_says(tmp_path: Path) -> None:
    write_snippets("migrating.md", tmp_path)
    config = snippet("migrating.md", "Desk.confirm", "yaml").replace("gpt-6-luna", "{scripted: script.yaml}")
    (tmp_path / "agents.yaml").write_text(f"{config}store: memory\nauth: none\n")
    (tmp_path / "script.yaml").write_text(
        "turns:\n"
        "  - {user: search, reply: [{call: {search: {query: Momo}}}, '{{ result }}']}\n"
        "  - {user: order, reply: [{call: {take_order: {title: Momo}}}, '{{ result }}']}\n"
        "otherwise: Hello.\n"
    )
    assert [str(each) for each in check_project(load_config(tmp_path, environ={})) if each.severity != "note"] == []
    app = create_app(tmp_path, environ={})
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client,
    ):

        async def ask(kind: str, **params: Any) -> httpx.Response:
            return await client.post("/chatkit", json={"type": kind, "params": params}, headers={"x-customer": "Ida"})

        async def say(text: str) -> list[Any]:
            message = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
            answered = await ask("threads.create", input=message)
            assert answered.status_code == 200, answered.text
            return parse_events(answered.content)

        for text, answer in (("search", "the bookshop has Momo"), ("order", "Ida ordered Momo")):
            events = await say(text)
            assert answer in json.dumps(events)
        thread = next(event["thread"]["id"] for event in events if event["type"] == "thread.created")
        action = {"type": "order.confirm", "payload": {"price": 7}}
        clicked = await ask("threads.custom_action", thread_id=thread, item_id=None, action=action)
        assert "Order 2: 7 EUR." in clicked.text
        assert (await client.get("/desk/orders")).json() == {"orders": 2}
        assert (await client.post("/chatkit", json={"type": "threads.list", "params": {}})).status_code == 401


def test_the_component_tree_of_python_is_drawn() -> None:
    names: dict[str, Any] = {}
    exec(snippet("guide/widgets.md", "build_report"), names)
    drawn = draw_tree(names["build_report"]("Oslo", [21.5, 19]))
    assert drawn.copy_text == "Oslo"
    assert [child.type for child in drawn.root.children][:2] == ["Title", "Divider"]


def test_a_store_of_ones_own_is_held_against_the_suite(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    source = inspect.getsource(ShelfStore).replace("ShelfStore", "MyStore").replace('"user"', '"user_id"')
    (tmp_path / "app" / "store.py").write_text(STORE_IMPORTS + source)
    (tmp_path / "test_store.py").write_text(snippet("guide/testing.md", "StoreSuite"))
    assert "passed" in pytest_in(tmp_path, "-k", "comes_back_as_it_was_saved")


async def test_requests_without_a_login_are_refused_and_users_have_threads_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {scripted: script.yaml}}\nagents: {helper: {instructions: Help.}}\n"
        "store: memory\n"
    )
    (tmp_path / "script.yaml").write_text("otherwise: I am here.\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "mine"}
    exec(compile(snippet("operations.md", "AuthenticationMiddleware"), "operations.md", "exec"), names)
    names["TOKENS"]["Bearer reserved"] = "local"
    statuses = []
    app = names["app"]
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client,
    ):
        assert names["chat"].state.runtime.is_open
        for headers in ({}, {"authorization": "Bearer alices-token"}, {"authorization": "Bearer reserved"}):
            answer = await client.post("/chatkit", json={"type": "threads.list", "params": {}}, headers=headers)
            statuses.append((answer.status_code, answer.json().get("error", {}).get("code")))
        answer = await client.post("/chatkit", content="{}", headers={"authorization": "Bearer alices-token"})
        statuses.append((answer.status_code, answer.json()["error"]["code"]))
    assert statuses == [
        (401, "unauthenticated"),
        (200, None),
        (403, "reserved_identity"),
        (415, "unsupported_media_type"),
    ]


async def test_the_script_hands_over_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(snippet("guide/scripted.md", "handoff: Billing", "yaml"))
    model = load_script(tmp_path / "script.yaml")
    billing = Agent(name="Billing", model=model.for_agent("Billing"))
    front = Agent(name="Front", model=model.for_agent("Front"), handoffs=[billing])
    result = await Runner.run(front, "I want a refund", run_config=RunConfig(tracing_disabled=True))
    assert result.last_agent is billing
    assert result.final_output == "Your refund is on its way."
