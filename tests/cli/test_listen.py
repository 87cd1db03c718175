from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest

from runtime.cli.listen import app_in_background, bind, url_of
from runtime.errors import ConfigError, RuntimeFault, UsageError


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
        assert httpx.get(f"{url}/options.json", trust_env=False).json() == {"startScreen": {"greeting": "hi"}}
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
