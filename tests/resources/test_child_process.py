"""A child process ends at its limits, takes all that it has started with it, and says how it ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from runtime.resources.child_process import ChildProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
LONG_S = 60
LIMIT = "from runtime.resources.child_process import limit_cpu_time, limit_resources, memory_in_use\n"


def start(code: str, message: str = "", **options: bool) -> ChildProcess:
    return ChildProcess.start([sys.executable, "-c", code], message.encode(), **options)


def lines_of(child: ChildProcess) -> list[bytes]:
    return [*iter(lambda: child.read_line(time.monotonic() + LONG_S), None)]


def wait_for_end(pid: int) -> None:
    """Return when a process runs no more: it may be a zombie, since nobody may wait for it."""
    while True:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
        if state[:1] in ("", "Z"):
            return
        time.sleep(0.01)


def test_a_child_reads_its_message_and_its_lines_are_read_to_the_end() -> None:
    with start("print(input().upper()); print('second'); raise SystemExit(7)", "hello\n") as child:
        assert lines_of(child) == [b"HELLO\n", b"second\n"]
        assert (child.exit_code, child.used_up_cpu_time, child.printed) == (7, False, "")


def test_the_end_of_what_it_prints_is_kept() -> None:
    with start("import sys; [print('x' * 99, i, file=sys.stderr) for i in range(999)]", keep_stderr=True) as child:
        assert lines_of(child) == []
    assert child.printed.endswith("x 998\n")
    assert len(child.printed) == 16 * 1024


def test_a_child_that_computes_is_ended_by_its_cpu_time_and_one_that_waits_is_not() -> None:
    with start(LIMIT + "limit_cpu_time(0.2)\nwhile True: pass") as child:
        assert lines_of(child) == []
    assert child.used_up_cpu_time
    with start(LIMIT + "limit_cpu_time(0.2)\nprint('waits', flush=True)\ninput()") as child:
        assert child.read_line(time.monotonic() + LONG_S) == b"waits\n"
    assert not child.used_up_cpu_time


def test_a_child_that_says_nothing_is_late_at_the_deadline_and_is_killed() -> None:
    with start("import signal; signal.pause()") as child, pytest.raises(TimeoutError):
        child.read_line(time.monotonic() + 0.05)
    assert child.exit_code == -signal.SIGKILL
    assert child.read_line(time.monotonic() + LONG_S) is None


def test_a_child_that_needs_more_memory_than_its_limit_has_a_memory_error() -> None:
    code = LIMIT + "limit_resources(AS=memory_in_use() + 2**26)\nbytearray(2**28)"
    with start(code, keep_stderr=True) as child:
        assert lines_of(child) == []
    assert child.printed.endswith("MemoryError\n")


def test_what_a_child_has_started_ends_with_it_and_does_not_hold_its_end_up() -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1).pid)"
    with start(code) as child:
        pid, *more = lines_of(child)
    assert (more, child.exit_code) == ([], 0)
    wait_for_end(int(pid))


def test_a_fork_writes_to_its_pipe_and_leaves_nothing_of_the_parent_behind() -> None:
    code = (
        "import os, time\nfrom runtime.resources.child_process import ChildProcess, can_fork\nassert can_fork()\n"
        "def run(pipe): os.write(pipe, b'one line'); raise KeyboardInterrupt\n"
        "with ChildProcess.fork(run) as child:\n    print([child.read_line(time.monotonic() + 60) for _ in range(2)])\n"
        "print(child.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[b'one line', None]\n0\n", "")
