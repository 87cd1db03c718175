"""Login functions that hang: their requests end with a 503, and the logins of others go on."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator

import pytest

from tests.conversations.conftest import Chat, MakeChat

LOGIN = """
import asyncio
import threading
from tests.conversations import test_slow_logins as test

def sync(request):
    name = request.headers["x-user"]
    if name == "slow":
        test.begun.release()
        test.go_on.wait(600)
    if name == "socket":
        raise TimeoutError("the database did not answer")
    return name if name != "thread" else threading.current_thread().name.partition("_")[0]

def lazy(request):
    return loop(request)

async def loop(request):
    if request.headers["x-user"] == "slow":
        await asyncio.Event().wait()
    return request.headers["x-user"]
"""
begun = threading.Semaphore(0)
go_on = threading.Event()


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    go_on.clear()
    while begun.acquire(blocking=False):
        pass
    yield
    go_on.set()


async def _make(chat: MakeChat, function: str, timeout: str) -> Chat:
    return await chat({"auth": {"python": f"login:{function}", "timeout": timeout}}, login_py=LOGIN)


async def _status(client: Chat, user: str) -> int:
    return (await client.request("GET", "/chatkit/options.json", headers={"x-user": user}).end()).status


@pytest.mark.parametrize("function", ["sync", "lazy", "loop"])
async def test_a_login_that_hangs_is_a_503_and_the_log_names_the_function(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, function: str
) -> None:
    client = await _make(chat, function, "50ms")
    # A call whose thread starts too late never runs: another one does, and hangs from then on.
    while function == "sync" and not begun.acquire(blocking=False):
        assert await _status(client, "slow") == 503
    caplog.clear()
    answer = await client.request("GET", "/chatkit/options.json", headers={"x-user": "slow"}).end()
    assert (answer.status, answer.error["code"]) == (503, "login_unavailable")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "runtime.auth"]
    assert line.startswith(f"the login login:{function} did not return within 0.05 s")
    assert bool(re.search(r"[1-9]\d* of 40 threads", line)) == (function == "sync")


async def test_hung_logins_hold_up_no_login_of_others_and_no_default_thread(chat: MakeChat) -> None:
    client = await _make(chat, "sync", "60s")
    hung = [asyncio.create_task(_status(client, "slow")) for _ in range(39)]
    for _ in hung:
        assert await asyncio.to_thread(begun.acquire, True, 180)
    assert await _status(client, "ada") == 200
    go_on.set()
    assert await asyncio.gather(*hung) == [200] * 39


async def test_a_sync_login_runs_in_the_threads_for_logins(chat: MakeChat) -> None:
    client = await _make(chat, "sync", "60s")
    client.headers = {"x-user": "thread"}
    thread = (await client.say("hi")).thread_id
    assert (await client.runtime.store.load_thread("login", thread)).id == thread


async def test_a_timeout_of_the_functions_own_is_its_fault(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    client = await _make(chat, "sync", "60s")
    assert await _status(client, "socket") == 500
    assert "the database did not answer" in caplog.text
