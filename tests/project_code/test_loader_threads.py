"""Several threads import the project's Python at once: each module runs once, and no thread waits for ever."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from runtime.project_code.loader import ProjectCode, ResolveError
from tests.project_code.writing import write_modules

pytestmark = pytest.mark.usefixtures("modules_as_before")
PATIENCE_S = 180.0


class Steps:
    """Where modules of a test stop, and go on when they are let."""

    def __init__(self) -> None:
        self.reached = {name: threading.Event() for name in "ab"}
        self.open = {name: threading.Event() for name in "ab"}
        self.runs: list[str] = []

    def stop(self, name: str) -> None:
        self.runs.append(name)
        self.reached[name].set()
        assert self.open[name].wait(PATIENCE_S)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    made = Steps()
    monkeypatch.setattr(builtins, "steps", made, raising=False)
    yield made
    for event in made.open.values():
        event.set()


def _in_thread(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(function(*arguments))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done


def _until_waits(code: ProjectCode, module: str) -> None:
    bound = threading.Event()
    while not code.is_awaited(module):
        assert not bound.wait(0.005)


def test_a_slow_import_does_not_hold_up_what_is_loaded_nor_another_module(tmp_path: Path, steps: Steps) -> None:
    write_modules(tmp_path, slow="steps.stop('a')\nX = 1", ready="X = 2", other="import ready\nX = 3")
    code = ProjectCode(tmp_path)
    assert code.resolve("ready:X") == 2
    slow = _in_thread(code.resolve, "slow:X")
    assert steps.reached["a"].wait(PATIENCE_S)
    assert _in_thread(code.resolve, "ready:X").result(PATIENCE_S) == 2
    assert _in_thread(code.resolve, "other:X").result(PATIENCE_S) == 3
    assert not slow.done()
    steps.open["a"].set()
    assert slow.result(PATIENCE_S) == 1


def test_two_threads_that_import_one_module_run_it_once_and_see_it_whole(tmp_path: Path, steps: Steps) -> None:
    write_modules(tmp_path, slow="X = 1\nsteps.stop('a')\nY = 2")
    code = ProjectCode(tmp_path)
    first = _in_thread(code.load, "slow")
    assert steps.reached["a"].wait(PATIENCE_S)
    second = _in_thread(code.resolve, "slow:Y")
    _until_waits(code, "slow")
    steps.open["a"].set()
    assert second.result(PATIENCE_S) == 2
    assert first.result(PATIENCE_S).Y == 2
    assert steps.runs == ["a"]


def test_two_threads_that_import_a_circle_from_both_ends_both_finish(tmp_path: Path, steps: Steps) -> None:
    write_modules(
        tmp_path,
        app__init="",
        app__a="steps.stop('a')\nimport app.b\n\ndef f():\n    return app.b.NAME",
        app__b="NAME = 'b'\nsteps.stop('b')\nimport app.a\n\ndef g():\n    return app.a.f()",
    )
    code = ProjectCode(tmp_path)
    code.load("app")
    one = _in_thread(code.load, "app.a")
    two = _in_thread(code.load, "app.b")
    for name in "ab":
        assert steps.reached[name].wait(PATIENCE_S)
    steps.open["a"].set()
    _until_waits(code, "app.b")
    # Now a's thread waits for b, and b's thread finds that it can't wait for a.
    steps.open["b"].set()
    assert one.result(PATIENCE_S).f() == "b"
    assert two.result(PATIENCE_S).g() == "b"
    assert sorted(steps.runs) == ["a", "b"]


def test_whoever_waits_for_a_module_that_fails_runs_it_itself(tmp_path: Path, steps: Steps) -> None:
    write_modules(tmp_path, flaky="steps.stop('a')\nif len(steps.runs) == 1:\n    raise ValueError('once')\nX = 1")
    code = ProjectCode(tmp_path)
    first = _in_thread(code.resolve, "flaky:X")
    assert steps.reached["a"].wait(PATIENCE_S)
    second = _in_thread(code.resolve, "flaky:X")
    _until_waits(code, "flaky")
    steps.open["a"].set()
    with pytest.raises(ResolveError, match="once"):
        first.result(PATIENCE_S)
    assert second.result(PATIENCE_S) == 1
    assert steps.runs == ["a", "a"]


def test_many_threads_at_once_run_every_module_once(tmp_path: Path, steps: Steps) -> None:
    names = [f"m{number}" for number in range(20)]
    for number, name in enumerate(names):
        circle = names[(number + 1) % len(names)]
        write_modules(tmp_path, **{f"app__{name}": f"steps.runs.append('{name}')\nimport app.{circle}\nX = {number}"})
    code = ProjectCode(tmp_path)
    together = threading.Barrier(len(names))

    def enter(name: str) -> Any:
        together.wait(PATIENCE_S)
        return code.load(f"app.{name}").X

    entered = [_in_thread(enter, name) for name in names]
    assert [done.result(PATIENCE_S) for done in entered] == list(range(20))
    assert sorted(steps.runs) == sorted(names)


def test_what_another_thread_has_used_is_kept_when_an_attempt_fails(tmp_path: Path, steps: Steps) -> None:
    write_modules(tmp_path, shared="import inner\nX = []", inner="", own="")
    code = ProjectCode(tmp_path)
    with code.attempt() as attempt:
        mine = code.load("shared")
        used = _in_thread(code.resolve, "shared:X").result(PATIENCE_S)
        code.load("own")
        attempt.fail()
    assert used is mine.X is code.load("shared").X
    assert set(code.modules) == {"shared", "inner"}


def test_what_another_thread_loads_is_no_part_of_an_attempt(tmp_path: Path, steps: Steps) -> None:
    write_modules(tmp_path, mine="", theirs="X = 1")
    code = ProjectCode(tmp_path)
    with code.attempt() as attempt:
        code.load("mine")
        assert _in_thread(lambda: code.load("theirs").X).result(PATIENCE_S) == 1
        attempt.fail()
    assert set(code.modules) == {"theirs"}
