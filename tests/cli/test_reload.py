"""A project that is edited while a process of its own serves it: what the terminal says, and what is answered."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.server.generations.last_good import FILE
from tests.cli.test_serve import Serving, serving
from tests.cli.test_shutdown import answer_text, ask, asking
from tests.conversations.talking import user_input

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and folders are of POSIX")

PATIENCE_S = 180.0
CONFIG = """version: 1
models: {default: {scripted: script.yaml}}
agents:
  helper: {instructions: Help., tools: ["acts:stamp", "acts:wait"]}
store: sqlite:///threads.db
"""
SCRIPT = """
turns:
  - user: stamp
    reply: [{call: stamp}, "{{ result }}"]
  - user: wait
    reply: [before, {call: wait}, "{{ result }}"]
otherwise: one
"""
ACTS = """
import asyncio
from pathlib import Path

WORD = "one"

def stamp() -> str:
    "The stamp."
    return WORD

async def wait() -> str:
    "Wait for the file that says go."
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    from later import WORD as late
    return WORD + " and " + late
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents.yaml").write_text(CONFIG)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "acts.py").write_text(ACTS)
    (tmp_path / "later.py").write_text("WORD = 'one'\n")
    return tmp_path


def said(server: Serving, words: str) -> list[str]:
    """What was printed up to the line with these words."""
    lines: list[str] = []
    with _patience(server):
        assert server.process.stdout is not None
        for line in server.process.stdout:
            lines.append(line.rstrip("\n"))
            if words in line:
                return lines
    pytest.fail(f"it ended without {words!r}:\n" + "\n".join(lines))


@contextmanager
def _patience(server: Serving) -> Iterator[None]:
    timer = threading.Timer(PATIENCE_S, server.process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def answer(server: Serving, text: str = "hi") -> str:
    """What is answered in a new thread."""
    with asking(server.url, text) as reader:
        return answer_text(reader.rest())


def admin(server: Serving, method: str = "GET", path: str = "config", **headers: str) -> dict[str, Any]:
    base = server.url.removesuffix("/chatkit")
    got = httpx.request(method, f"{base}/-/{path}", headers=headers, trust_env=False, timeout=30)
    return {"http": got.status_code, **got.json()}


def save(path: Path, text: str) -> None:
    """Save as editors do: a file beside it, put in its place."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


@pytest.mark.parametrize("verb", ["serve", "dev"])
def test_an_edit_is_announced_in_one_line_and_answers_the_next_message(folder: Path, verb: str) -> None:
    with serving(folder, verb) as server:
        assert (answer(server), answer(server, "stamp")) == ("one", "one")
        save(folder / "agents.yaml", CONFIG.replace("Help.", "Help more."))
        line = said(server, "generation 2 serves")[-1]
        assert "agents ~helper (agents.yaml)" in line
        save(folder / "script.yaml", SCRIPT.replace("otherwise: one", "otherwise: two"))
        said(server, "generation 3 serves")
        assert (answer(server), answer(server, "stamp")) == ("two", "one")
        save(folder / "acts.py", ACTS.replace('WORD = "one"', 'WORD = "two"'))
        line = said(server, "generation 4 serves")[-1]
        assert "acts" in line
        assert answer(server, "stamp") == "two"
        assert admin(server)["reloads"] == {"reloaded": 3}
        code, rest = server.stop(signal.SIGTERM)
        assert code == 0
        assert "Traceback" not in rest


def test_a_broken_edit_is_drawn_and_the_old_one_serves_until_it_is_right(folder: Path) -> None:
    with serving(folder, "serve") as server:
        save(folder / "agents.yaml", CONFIG.replace("instructions", "instrutions"))
        lines = said(server, "reload refused")
        assert lines[0].startswith("agents.yaml:4:12: error A101: ")
        assert any(line.strip().startswith("4 |") and "instrutions" in line for line in lines)
        assert any(set(line.strip()) <= set("|^ ") and "^" in line for line in lines)
        assert lines[-1].endswith("reload refused, 1 error; generation 1 goes on serving")
        assert answer(server) == "one"
        save(folder / "acts.py", "def stamp(:\n")
        save(folder / "agents.yaml", CONFIG)
        # One reading or two, as the two saves fall: the Python is what is wrong in the end.
        said(server, "error A322: ")
        said(server, "reload refused")
        assert answer(server, "stamp") == "one"
        save(folder / "acts.py", ACTS.replace('WORD = "one"', 'WORD = "two"'))
        said(server, "generation 2 serves")
        assert answer(server, "stamp") == "two"
        assert admin(server)["last_error"] is None


def test_a_stream_that_runs_over_an_edit_arrives_whole_and_unmixed(folder: Path) -> None:
    with serving(folder, "serve") as server:
        with asking(server.url, "wait") as reader:
            reader.until("before")
            save(folder / "later.py", "WORD = 'two'\n")
            save(folder / "acts.py", ACTS.replace('WORD = "one"', 'WORD = "two"'))
            # Whatever the watcher has seen so far: after this, both files serve.
            assert admin(server, "POST", "reload")["http"] == 200
            assert [(old["generation"], old["in_flight"]) for old in admin(server)["draining"]] == [(1, 1)]
            assert answer(server, "stamp") == "two"
            (folder / "go").touch()
            events = reader.rest()
        assert answer_text(events) == "beforeone and one"
        assert [event for event in events if event["type"] == "error"] == []
        assert events[-1]["type"] == "thread.item.done"
        assert answer(server, "wait") == "beforetwo and two"


def test_without_watching_an_edit_waits_for_sighup(folder: Path) -> None:
    with serving(folder, "serve", "--no-watch") as server:
        save(folder / "script.yaml", SCRIPT.replace("otherwise: one", "otherwise: two"))
        assert answer(server) == "one"
        server.process.send_signal(signal.SIGHUP)
        lines = said(server, "generation 2 serves")
        assert len(lines) == 1
        assert answer(server) == "two"
        save(folder / "agents.yaml", "version: 1\nagents: {helper: {")
        server.process.send_signal(signal.SIGHUP)
        assert any("agents.yaml:" in line and "A010" in line for line in said(server, "reload refused"))
        assert answer(server) == "two"
        # Whoever asks is told again.
        server.process.send_signal(signal.SIGHUP)
        said(server, "reload refused")
        save(folder / "agents.yaml", CONFIG.replace("Help.", "Help more."))
        assert admin(server, "POST", "reload")["http"] == 200
        said(server, "generation 3 serves")
        assert admin(server)["reloads"] == {"refused:yaml": 2, "reloaded": 2}
        assert server.stop(signal.SIGTERM)[0] == 0


def test_an_agents_yaml_that_is_deleted_and_comes_back(folder: Path) -> None:
    with serving(folder, "serve") as server:
        (folder / "agents.yaml").unlink()
        assert any("agents.yaml" in line and "error A" in line for line in said(server, "reload refused"))
        assert answer(server) == "one"
        save(folder / "agents.yaml", CONFIG.replace("Help.", "Help more."))
        said(server, "generation 2 serves")
        (folder / "agents.yaml").unlink()
        said(server, "reload refused")
        # As it was: no news but that all is well again.
        save(folder / "agents.yaml", CONFIG.replace("Help.", "Help more."))
        said(server, "the files have not changed")
        body = admin(server)
        assert (body["generation"], body["last_error"]) == (2, None)


def test_a_module_that_is_added_and_one_that_is_deleted(folder: Path) -> None:
    with serving(folder, "serve") as server:
        (folder / "more").mkdir()
        (folder / "more" / "__init__.py").touch()
        (folder / "more" / "new.py").write_text("def fresh() -> str:\n    'Fresh.'\n    return 'fresh'\n")
        save(folder / "script.yaml", SCRIPT.replace("{call: stamp}", "{call: fresh}"))
        save(folder / "agents.yaml", CONFIG.replace('"acts:stamp"', '"more.new:fresh"'))
        with _patience(server):
            while _is_behind(server):
                said(server, "serves after")
        assert answer(server, "stamp") == "fresh"
        (folder / "more" / "new.py").write_text("def fresh() -> str:\n    'Fresh.'\n    return 'fresher'\n")
        with _patience(server):
            while (text := answer(server, "stamp")) == "fresh":
                said(server, "serves after")
        assert text == "fresher"
        (folder / "more" / "new.py").unlink()
        lines = said(server, "reload refused")
        assert "A320" in "\n".join(lines)
        assert answer(server, "stamp") == "fresher"


def _is_behind(server: Serving) -> bool:
    return "fresh" not in answer(server, "stamp")


# Last good


def test_serve_starts_from_the_last_good_and_the_first_right_save_takes_over(folder: Path) -> None:
    with serving(folder, "serve") as server:
        assert answer(server, "stamp") == "one"
        assert server.stop(signal.SIGTERM)[0] == 0
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    save(folder / "agents.yaml", "version: 1\nagents: {helper: {")
    save(folder / "acts.py", "def stamp(:\n")
    with serving(folder, "serve", "--last-good") as server:
        head = "\n".join(server.head)
        assert "agents.yaml:2:" in head
        assert "^" in head
        saved_at = json.loads((folder / FILE).read_text())["saved_at"]
        assert f"as of {saved_at[:10]} {saved_at[11:19]} UTC" in head
        assert answer(server, "stamp") == "one"
        body = admin(server)
        assert (body["from_last_good"], body["last_error"]["status"]) == (True, "refused")
        save(folder / "agents.yaml", CONFIG)
        said(server, "reload refused")
        save(folder / "acts.py", ACTS.replace('WORD = "one"', 'WORD = "two"'))
        said(server, "generation 2 serves")
        assert answer(server, "stamp") == "two"
        body = admin(server)
        assert (body["from_last_good"], body["last_error"]) == (False, None)
        assert server.stop(signal.SIGTERM)[0] == 0
    assert "two" in json.loads((folder / FILE).read_text())["code"]["acts.py"]


@pytest.mark.parametrize("verb", ["serve", "dev"])
def test_with_nothing_kept_a_broken_project_is_not_served(folder: Path, cli: Any, verb: str) -> None:
    (folder / "agents.yaml").write_text("version: 2\n")
    ran = cli(verb, str(folder), "--last-good", "--port", "0")
    assert ran.code == 1
    assert "A10" in ran.err
    assert ran.err.endswith(f"error: {str(FILE)!r} does not exist: this project has not served yet\n")


def test_a_message_written_before_an_edit_is_still_there(folder: Path) -> None:
    with serving(folder, "serve") as server:
        request = {"input": user_input("hi")}
        created = ask(server.url, "threads.create", **request)
        assert created.status_code == 200
        save(folder / "script.yaml", SCRIPT.replace("otherwise: one", "otherwise: two"))
        said(server, "generation 2 serves")
        assert len(ask(server.url, "threads.list").json()["data"]) == 1
