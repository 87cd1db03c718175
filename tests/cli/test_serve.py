from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime import ConfigError, create_app
from runtime.cli.commands.serve import summary
from runtime.cli.uvicorn_server import bind
from runtime.config.load import load_config
from tests.conversations.talking import PATIENCE_S
from tests.forked import ForkedProcess


@dataclass
class Serving:
    process: ForkedProcess
    url: str
    head: list[str]

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal and wait; gives the exit code and what was printed since the address."""
        self.process.send_signal(number)
        # Not communicate(): it would lose what was read ahead of the line that says ready.
        out = self.process.stdout.read()
        return self.process.wait(), out


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Serving]:
    """Run a serving verb until the block ends; waits for the line that says it is ready."""
    environ = {**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    process = ForkedProcess([*arguments, "--port", "0"], folder, environ)
    try:
        head: list[str] = []
        for line in process.stdout:
            head.append(line.rstrip("\n"))
            if line.startswith("serving "):
                yield Serving(process, line.split()[1], head)
                break
        else:
            pytest.fail("\n".join(head))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def post(url: str, type_: str = "threads.list", **headers: str) -> httpx.Response:
    return httpx.post(url, json={"type": type_, "params": {}}, headers=headers, trust_env=False, timeout=PATIENCE_S)


def test_serve_says_what_it_serves_and_where_and_ends_at_sigterm_with_zero(
    project: Path, cli: Callable[..., Any]
) -> None:
    with serving(project, "serve") as server:
        assert server.head[1:] == [
            "  project   agents.yaml",
            "  agents    helper (entry)",
            "  model     default: offline script script.yaml",
            "  store     memory",
            f"serving {server.url}",
        ]
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url.endswith("/chatkit")
        assert post(server.url).json()["data"] == []
        ran = cli("chat", "--url", server.url, "-m", "hello")
        assert (ran.code, ran.out) == (0, "> hello\nI am here.\n")
        assert server.stop(signal.SIGTERM) == (0, "")


def test_the_interpreter_is_set_up_for_serving(project: Path) -> None:
    (project / "api.py").write_text(
        "import gc\nimport sys\nfrom fastapi import APIRouter\n\nrouter = APIRouter()\n\n"
        "@router.get('/frozen')\ndef frozen() -> list[float]:\n"
        "    return [gc.get_freeze_count(), sys.getswitchinterval(), gc.get_threshold()[2]]\n"
    )
    with (project / "agents.yaml").open("a") as file:
        file.write("routes: ['api:router']\n")
    with serving(project, "serve") as server:
        frozen, switch_s, full = httpx.get(
            server.url.replace("/chatkit", "/frozen"), trust_env=False, timeout=PATIENCE_S
        ).json()
    assert frozen > 50_000
    assert switch_s < 0.001
    assert full > 1_000_000


def test_a_port_in_use_ends_with_two(project: Path, cli: Callable[..., Any]) -> None:
    with bind("127.0.0.1", 0) as taken:
        ran = cli("serve", "small", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "is in use" in ran.err


def test_a_broken_project_reports_its_mistakes_and_not_the_busy_port(project: Path, cli: Callable[..., Any]) -> None:
    (project / "script.yaml").write_text("nonsense: 1\n")
    with bind("127.0.0.1", 0) as taken:
        ran = cli("serve", "small", "--port", str(taken.getsockname()[1]))
    assert ran.code == 1
    assert "the script can't be played" in ran.err
    assert "is in use" not in ran.err


def test_a_config_with_errors_is_not_served(project: Path, cli: Callable[..., Any]) -> None:
    (project / "agents.yaml").write_text("version: 1\nagents: {helper: {model: '${CLI_TEST_UNSET}'}}\n")
    for verb in ("serve", "dev", "chat"):
        ran = cli(verb, "small")
        assert ran.code == 1
        assert "small/agents.yaml:2:" in ran.err
        assert "CLI_TEST_UNSET" in ran.err


def test_what_only_building_finds_is_shown_in_its_file(project: Path, cli: Callable[..., Any]) -> None:
    text = (project / "agents.yaml").read_text().replace("Help.}", "Help., tools: [lost]}")
    (project / "agents.yaml").write_text(text + "tools: {lost: no.such:thing}\n")
    ran = cli("serve", "small", "--port", "0")
    assert ran.code == 1
    assert "small/agents.yaml:5:" in ran.err
    assert "^" in ran.err
    assert ran.err.endswith("1 error\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com"])
@pytest.mark.parametrize(
    ("auth", "said"),
    [("", "agents.yaml has no `auth:`"), ("auth: none\n", "`auth: none` serves this machine only")],
)
def test_a_host_that_others_can_reach_needs_a_login(
    project: Path, cli: Callable[..., Any], host: str, auth: str, said: str
) -> None:
    with (project / "agents.yaml").open("a") as file:
        file.write(auth)
    ran = cli("serve", "small", "--host", host)
    assert ran.code == 1
    assert said in ran.err
    assert "docs/guide/login.md" in ran.err


def test_the_flag_of_old_says_what_to_do_instead(project: Path, cli: Callable[..., Any]) -> None:
    ran = cli("serve", "small", "--host", "0.0.0.0", "--allow-unauthenticated")
    assert ran.code == 2
    assert "--allow-unauthenticated no longer exists" in ran.err
    assert "auth: {header: {user: X-Forwarded-User, proxies: [10.0.0.0/8]}}" in ran.err


def test_with_a_login_it_serves_others_until_ctrl_c_without_a_traceback(project: Path) -> None:
    with (project / "agents.yaml").open("a") as file:
        file.write("auth: {python: login:user}\n")
    (project / "login.py").write_text("def user(request):\n    return request.headers.get('x-key')\n")
    with serving(project, "serve", "--host", "0.0.0.0") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert post(url, host="chat.example.com").status_code == 401
        assert post(url, host="chat.example.com", **{"x-key": "ada"}).status_code == 200
        assert server.stop(signal.SIGINT) == (130, "")


def test_behind_a_proxy_on_this_machine_its_users_are_taken_and_no_others(project: Path) -> None:
    with (project / "agents.yaml").open("a") as file:
        file.write("auth: {header: {user: X-User, proxies: [127.0.0.1]}}\n")
    forwarded = {"x-user": "ada", "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
    with serving(project, "serve", "--host", "0.0.0.0") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert post(url, host="chat.example.com", **forwarded).status_code == 200
        assert post(url, host="chat.example.com").status_code == 401
    text = (project / "agents.yaml").read_text()
    (project / "agents.yaml").write_text(text.replace("proxies: [127.0.0.1]", "proxies: [203.0.113.7]"))
    with serving(project, "serve", "--host", "0.0.0.0") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert post(url, host="chat.example.com", **forwarded).status_code == 401


def test_without_a_login_serve_answers_this_machine_alone(project: Path) -> None:
    with serving(project, "serve") as server:
        assert post(server.url).status_code == 200
        assert post(server.url, host="evil.example").status_code == 403
        assert post(server.url, **{"x-forwarded-for": "203.0.113.7"}).status_code == 403


def test_dev_answers_this_machine_alone_and_logs_each_request(project: Path) -> None:
    text = (project / "agents.yaml").read_text()
    (project / "agents.yaml").write_text(text + "server: {host: 0.0.0.0}\n")
    with serving(project, "dev") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert post(server.url).status_code == 200
        assert post(server.url, origin="http://localhost:5173").status_code == 200
        assert post(server.url, origin="https://evil.com").status_code == 403
        assert post(server.url, host="evil.com").status_code == 403
        _, out = server.stop(signal.SIGTERM)
    assert f"chatkit-runtime chat --url {server.url}" in out
    assert f"curl -N {server.url} " in out
    assert "edit a file of the project, and the next message uses it" in out
    assert out.count("POST /chatkit") == 4


def test_dev_shows_the_chat_page_and_its_address_is_the_first_one_that_is_printed(project: Path) -> None:
    with serving(project, "dev") as server:
        root = server.url.removesuffix("chatkit")
        assert [line for line in server.head if "http" in line] == [
            f"open {root} in a browser",
            f"serving {server.url}",
        ]
        page = httpx.get(root, trust_env=False, timeout=PATIENCE_S)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        evil = {"host": "evil.com"}
        assert httpx.get(root, headers=evil, trust_env=False, timeout=PATIENCE_S).status_code == 403
        # A frame that is sandboxed has no origin, and loads the scripts of the client.
        nowhere = {"origin": "null"}
        assert (
            httpx.get(f"{server.url}/frame.html", headers=nowhere, trust_env=False, timeout=PATIENCE_S).status_code
            == 200
        )
        assert (
            httpx.get(f"{server.url}/options.json", headers=nowhere, trust_env=False, timeout=PATIENCE_S).status_code
            == 403
        )


def test_serve_shows_the_chat_page_if_it_is_declared(project: Path) -> None:
    with serving(project, "serve") as server:
        assert httpx.get(server.url.removesuffix("chatkit"), trust_env=False, timeout=PATIENCE_S).status_code == 404
    with (project / "agents.yaml").open("a") as file:
        file.write("server: {page: true}\n")
    with serving(project, "serve") as server:
        root = server.url.removesuffix("chatkit")
        assert f"open {root} in a browser" in server.head
        assert httpx.get(root, trust_env=False, timeout=PATIENCE_S).status_code == 200


def test_dev_leaves_the_root_to_a_route_of_the_project(project: Path) -> None:
    (project / "api.py").write_text(
        "from fastapi import APIRouter\n\nrouter = APIRouter()\n\n@router.get('/')\ndef root():\n    return 'mine'\n"
    )
    with (project / "agents.yaml").open("a") as file:
        file.write("routes: ['api:router']\n")
    with serving(project, "dev") as server:
        assert [line for line in server.head if "http" in line] == [f"serving {server.url}"]
        assert httpx.get(server.url.removesuffix("chatkit"), trust_env=False, timeout=PATIENCE_S).json() == "mine"


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("gpt-6-luna", "default: gpt-6-luna"),
        ("{any_llm: anthropic/claude}", "default: any_llm anthropic/claude"),
        ("{python: app.models:build}", "default: python app.models:build"),
    ],
)
def test_the_summary_names_the_model(tmp_path: Path, model: str, shown: str) -> None:
    (tmp_path / "agents.yaml").write_text(
        f"version: 1\nmodels: {{default: {model}}}\nagents: {{a: {{}}, b: {{}}}}\nentry: b\n"
    )
    loaded = load_config(tmp_path)
    assert loaded.config is not None
    text = summary(loaded, loaded.config)
    assert f"  model     {shown}\n" in text
    assert "  agents    a, b (entry)\n" in text


@pytest.mark.parametrize(
    ("key", "shown"),
    [("", "gpt-6.1-sol (no key: offline script demo.yaml)"), ("sk-x", "gpt-6.1-sol")],
    ids=["no key", "a key"],
)
def test_a_model_without_a_key_is_said_to_be_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any], key: str, shown: str
) -> None:
    (tmp_path / "demo.yaml").write_text("otherwise: hi\n")
    (tmp_path / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {name: gpt-6.1-sol, offline: demo.yaml}}\nagents: {a: {}}\n"
    )
    monkeypatch.setenv("OPENAI_API_KEY", key)
    loaded = load_config(tmp_path)
    assert loaded.config is not None
    assert f"  model     default: {shown}\n" in summary(loaded, loaded.config)
    assert (f"# default: {shown}\n" in cli("show", str(tmp_path)).out) == (key == "")
    json.loads(cli("show", str(tmp_path), "--format", "json").out)


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_folder_that_hides_the_package_is_said_when_serving(tmp_path: Path, command: str) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "__init__.py").touch()
    (tmp_path / "script.yaml").write_text("otherwise: hi\n")
    (tmp_path / "agents.yaml").write_text("version: 1\nmodels: {default: {scripted: script.yaml}}\nagents: {a: {}}\n")
    with serving(tmp_path, command) as server:
        assert post(server.url).status_code == 200
    assert "warning A322: 'runtime/__init__.py' hides the installed package 'runtime'" in "\n".join(server.head)


def test_a_production_start_answers_from_an_offline_script_only_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any]
) -> None:
    (tmp_path / "demo.yaml").write_text("otherwise: hi\n")
    (tmp_path / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {name: gpt-6.1-sol, offline: demo.yaml}}\n"
        "agents: {a: {}}\nstore: memory\nauth: none\n"
    )
    monkeypatch.setenv("OPENAI_API_KEY", "")
    refused = cli("serve", str(tmp_path))
    assert refused.code == 1
    assert "model 'gpt-6.1-sol' has no API key, and its offline script is for development" in refused.err
    assert "`serve --offline`" in refused.err
    with pytest.raises(ConfigError, match="offline=True"):
        create_app(tmp_path)
    assert list(create_app(tmp_path, offline=True).state.runtime.agents) == ["a"]
    for arguments in (("serve", "--offline"), ("dev",)):
        with serving(tmp_path, *arguments) as server:
            assert post(server.url).status_code == 200
    assert cli("validate", "--import", str(tmp_path)).code == 0


def test_the_summary_names_a_store_of_ones_own_and_a_model_without_an_entry(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(
        "version: 1\nagents: {a: {model: gpt-6.1-sol}}\nstore: {python: app.store:Store}\nchat: {greeting: Hello}\n"
    )
    loaded = load_config(tmp_path)
    assert loaded.config is not None
    text = summary(loaded, loaded.config)
    for line in ("  model     gpt-6.1-sol", "  store     python app.store:Store", "  greeting  Hello"):
        assert line in text.splitlines()
