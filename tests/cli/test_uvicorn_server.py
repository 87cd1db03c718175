from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from runtime.cli.uvicorn_server import app_in_background, bind, url_of
from runtime.errors import ConfigError, RuntimeFault, UsageError
from tests.conversations.talking import PATIENCE_S


def test_a_port_in_use_is_said_in_plain_words() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} of '127.0.0.1' is in use \(choose another with --port"):
            bind("127.0.0.1", port)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"can't listen on '192\.0\.2\.1'"):
        bind("192.0.2.1", 0)


def test_an_ipv6_address_has_brackets() -> None:
    try:
        listener = bind("::1", 0)
    except UsageError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert url_of(listener, "/chatkit") == f"http://[::1]:{listener.getsockname()[1]}/chatkit"


def test_an_app_in_the_background_answers_and_is_gone_afterwards(server: Any) -> None:
    server.screen = {"greeting": "hi"}
    with app_in_background(server) as url:
        assert httpx.get(f"{url}/options.json", trust_env=False, timeout=PATIENCE_S).json() == {
            "startScreen": {"greeting": "hi"}
        }
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


@pytest.mark.parametrize("error", [ConfigError(()), ValueError("no store")])
def test_the_exception_of_a_start_up_reaches_the_caller(error: Exception) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with pytest.raises(type(error)), app_in_background(app):
        pytest.fail("it must not start")


def test_an_app_that_says_its_start_up_failed_is_an_error_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "traceback"})

    with pytest.raises(RuntimeFault, match="did not start"), app_in_background(app):
        pytest.fail("it must not start")


def test_a_free_port_is_a_real_one() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")
        with socket.create_connection(listener.getsockname()):
            assert listener.getsockname()[1] > 0


@contextmanager
def draining(way: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `tests.cli.draining_app` until the block ends; gives the process and the address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.draining_app", way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def reading(url: str) -> Iterator[tuple[httpx.Response, Iterator[bytes]]]:
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client, client.stream("GET", f"{url}/stream") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"one "
        yield answer, chunks


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    """Send a signal, and wait until the app has begun to drain."""
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == "draining\n"


def test_the_app_ends_its_streams_while_their_clients_still_read() -> None:
    with draining("ends") as (process, url), reading(url) as (_, chunks), socket.create_connection(_at(url)) as idle:
        stop(process)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)
        assert idle.recv(1) == b""
        out, err = process.communicate("go on\n", timeout=PATIENCE_S)
        assert b"".join(chunks) == b"two"
        assert (process.returncode, out, err) == (0, "closed\nleft\n", "")


def test_what_goes_on_after_the_drain_is_cut() -> None:
    with draining("endless") as (process, url), reading(url) as (_, chunks):
        stop(process)
        out, err = process.communicate("go on\n", timeout=PATIENCE_S)
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
        assert (process.returncode, out) == (0, "closed\nleft\n")
        assert "Cancel 1 running task" in err


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    with draining("never drained") as (process, url), reading(url):
        stop(process, signal.SIGINT)
        assert process.stdin is not None
        process.stdin.write("go on\n")
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) != 0
        assert process.stdout is not None
        assert "left" not in process.stdout.read()


def test_a_drain_that_fails_is_in_the_log_and_the_server_ends_all_the_same() -> None:
    with draining("broken") as (process, _):
        stop(process)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out) == (0, "closed\nleft\n")
        assert "running answers could not be ended: OSError: the disk is full" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_function_that_hangs_is_named_and_does_not_hold_up_the_end(number: int, code: int) -> None:
    with draining("drained") as (process, url):
        assert httpx.get(f"{url}/hang", trust_env=False, timeout=PATIENCE_S).status_code == 200
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        stop(process, number)
        out, err = process.communicate("go on\n", timeout=PATIENCE_S)
        assert (process.returncode, out) == (code, "closed\n")
        assert "__main__:hang is still running in a thread: the server exits without waiting for it" in err


def _at(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


EXITING = """
import asyncio, sys
from runtime.cli.uvicorn_server import bind, run_app, url_of

async def exits():
    sys.exit(3)

async def interrupts():
    raise KeyboardInterrupt

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/fail":
        app.task = asyncio.create_task(exits() if scope["query_string"] else interrupts())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

listener = bind("127.0.0.1", 0)
print(url_of(listener), flush=True)
run_app(app, listener, ready=lambda: print("ready", flush=True))
"""


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_task_that_exits_does_not_end_the_server_and_a_signal_does(stop: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", EXITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    url, ready = process.stdout.readline().strip(), process.stdout.readline()
    assert ready == "ready\n"
    for path in ("/fail?exits", "/fail", "/fail?exits", "/"):
        assert httpx.get(url + path, trust_env=False, timeout=PATIENCE_S).text == "ok"
    process.send_signal(stop)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert errors.count("a task called sys.exit(3), which ended that task only") == 2
    assert errors.count("a task raised KeyboardInterrupt, which ended that task only") == 1
