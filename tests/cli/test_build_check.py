"""`validate --import`: the real build in a child, whatever the project's Python does to the process it runs in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.build_process.check import check_build
from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import Diagnostic
from tests.resources.test_child_process import wait_for_end

LONG_S = 100.0
AGENTS = "version: 1\nmodels: {default: {scripted: script.yaml}}\nstore: memory\n"
TOOL = AGENTS + "agents: {helper: {tools: ['own.tools:one']}}\n"
TWICE = AGENTS + "agents: {helper: {tools: ['own.tools:one', 'own.tools:two']}}\n"
ONE = "def one() -> str:\n    'One.'\n    return 'one'\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a project whose one tool is in own/tools.py: that module is `before`, and then the tool."""

    def project(before: str = "", *, config: str = TOOL, **files: str) -> Path:
        own = tmp_path / "own"
        own.mkdir(exist_ok=True)
        (tmp_path / "agents.yaml").write_text(config)
        (tmp_path / "script.yaml").write_text("otherwise: hi\n")
        (own / "tools.py").write_text(before + ONE)
        for name, text in files.items():
            (own / f"{name}.py").write_text(text)
        return tmp_path

    return project


def check(path: Path, timeout_s: float = LONG_S, **limits: float) -> list[Diagnostic]:
    return check_build(path, load_config(path), timeout_s=timeout_s, connect=False, **limits)


def message(path: Path, timeout_s: float = LONG_S, **limits: float) -> str:
    (diagnostic,) = check(path, timeout_s, **limits)
    return str(diagnostic)


# What a project may do while it is imported, and still be right.

HARMLESS = {
    "prints, runs threads and processes, goes elsewhere, and never exits": """
import atexit, os, subprocess, sys, tempfile, threading
assert sys.argv[1] == "serve"
print("out"); print("err", file=sys.stderr); os.write(1, b"raw"); os.write(2, b"raw")
threading.Thread(target=threading.Event().wait).start()
subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
os.chdir(tempfile.gettempdir())
atexit.register(threading.Event().wait)
""",
    "forks, and both go on": "import os\nos.fork()\n",
    "closes the standard streams": "import os, sys\nsys.stdout.close(); sys.stderr = None; os._exit = None\n",
}


@pytest.mark.parametrize("before", HARMLESS.values(), ids=HARMLESS)
def test_a_project_that_builds_has_no_mistakes(
    write: Callable[..., Path], before: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(before))
    assert check(Path()) == []
    assert capfd.readouterr() == ("", "")


def test_what_the_project_prints_is_shown_to_who_debugs(
    write: Callable[..., Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATKIT_DEBUG", "1")
    assert check(write("print('hello from the tool')\n")) == []
    assert capfd.readouterr() == ("", "hello from the tool\n")


# What it may do to the process that builds it.

ENDINGS = {
    "hangs": (
        "from threading import Event\n\nEvent().wait()\n",
        "own/tools.py:3:1: error A611: building the project takes longer than 5 s "
        "(move what waits or takes long into a function, or raise --timeout)",
    ),
    "computes": (
        "number = 1\nsum(iter(int, number))\n",
        "own/tools.py:2:1: error A611: building the project takes longer than 1 s of CPU time "
        "(move what waits or takes long into a function, or raise --timeout)",
    ),
    "hangs in C, with the lock of the interpreter": (
        "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')\n",
        "own/tools.py:2:1: error A611: building the project takes longer than 1 s of CPU time "
        "(move what waits or takes long into a function, or raise --timeout)",
    ),
    "leaves": (
        "import os\nif True:\n    os._exit(7)\n",
        "own/tools.py:3:5: error A611: building the project ends the process: os._exit(7)",
    ),
    "crashes": (
        "import ctypes\nctypes.string_at(0)\n",
        "own/tools.py:2:1: error A611: building the project crashes the process: SIGSEGV (Segmentation fault)",
    ),
    "kills itself": (
        "import os\nprint('last', 'words')\nos.kill(os.getpid(), 9)\n",
        "agents.yaml: error A611: building the project crashes the process: SIGKILL (Killed) while "
        "importing 'own/tools.py' (it printed: last words)",
    ),
    "becomes another program": (
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(4)'])\n",
        "agents.yaml: error A611: building the project ends the process with exit code 4 while "
        "importing 'own/tools.py'",
    ),
    "exits": (
        "import sys\nsys.exit('no config')\n",
        "own/tools.py:2:1: error A322: importing 'own.tools' called sys.exit('no config') "
        "(agents.yaml:4:27 needs it) [agents.helper.tools[0]]",
    ),
    "raises what no `except Exception` catches": (
        "raise KeyboardInterrupt\n",
        "own/tools.py:1:1: error A610: the project can't be built: KeyboardInterrupt: ",
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("before", "expected"), ENDINGS.values(), ids=ENDINGS)
def test_a_build_that_does_not_come_to_its_end_is_a_mistake_at_a_line(
    write: Callable[..., Path], before: str, expected: str
) -> None:
    # A build that waits ends by the clock, and one that computes by its CPU time, on however busy a machine.
    cpu_s, wall_s = (1.0 if "of CPU time" in expected else LONG_S), (5.0 if "longer than 5 s" in expected else LONG_S)
    assert message(write(before), cpu_s, wall_s=wall_s) == expected


def test_a_project_that_has_silenced_the_watchdog_is_ended_all_the_same(
    write: Callable[..., Path],
) -> None:
    before = "import faulthandler, threading\nfaulthandler.cancel_dump_traceback_later()\nthreading.Event().wait()\n"
    assert message(write(before), wall_s=5, grace_s=0.1) == (
        "agents.yaml: error A611: building the project takes longer than 5 s while importing 'own/tools.py' "
        "(move what waits or takes long into a function, or raise --timeout)"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_nothing_that_the_project_has_started_stays_behind(write: Callable[..., Path]) -> None:
    path = write(
        "import subprocess, sys\nfrom pathlib import Path\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)\n"
        "Path(__file__).with_name('pid').write_text(str(child.pid))\n"
    )
    assert check(path) == []
    wait_for_end(int((path / "own" / "pid").read_text()))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_the_child(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(
        "import os\nfrom pathlib import Path\nfrom threading import Event\n"
        "Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
        "os.kill(int(os.environ['BUILD_CHECK_PARENT']), 2)\nEvent().wait()\n"
    )
    monkeypatch.setenv("BUILD_CHECK_PARENT", str(os.getpid()))
    with pytest.raises(KeyboardInterrupt):
        check(path)
    pid = int((path / "own" / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_users_own_line_is_shown_by_validate_and_by_what_serves(
    cli: Callable[..., Any], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write("NAMES = ['one']\nFIRST = NAMES[lenght - 1]\n\n" + ONE.replace("one", "two"), config=TWICE)
    monkeypatch.chdir(project.parent)
    frame = (
        f"{project.name}/own/tools.py:2:15: error A322: importing 'own.tools' raised NameError: "
        "name 'lenght' is not defined [agents.helper.tools[0]]\n"
        "  2 | FIRST = NAMES[lenght - 1]\n"
        "    |               ^^^^^^\n"
        "    = hint: agents.yaml:4:27 and 1 other place need it\n"
    )
    validated, chatted = cli("validate", "--import", project.name), cli("chat", project.name, "-m", "hi")
    assert (validated.code, validated.err) == (1, "")
    assert frame in validated.out
    assert chatted.code == 1
    assert frame in chatted.err
    assert (validated.out.count("A322"), chatted.err.count("A322")) == (1, 1)
