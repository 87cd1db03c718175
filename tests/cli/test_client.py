"""The verb `client` as a command: what it prints, writes, compares and refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., tools: [pick, other-pick, fly]}}
tools:
  pick: {client: pick, description: "Pick\\nsomething."}
  other-pick: {client: pick, description: "Pick again."}
  fly: {effect: fly to, parameters: {type: object, properties: {to: {type: string}}}}
actions: {fly.home: {effect: fly to, data: {to: home}}}
chat: {frame_title: "<b>Trips & more</b>", locale: nb-NO}
server: {port: 9000, path: /talk}
"""


@pytest.fixture
def declared(project: Path) -> Path:
    (project / "agents.yaml").write_text(CONFIG)
    return project


def test_a_file_is_printed_and_nothing_is_written(declared: Path, cli: Callable[..., Any]) -> None:
    before = sorted(declared.iterdir())
    for kind, begin in (
        ("page", "<!doctype html>\n"),
        ("types", "// Generated from"),
        ("handlers", "// The functions that"),
    ):
        ran = cli("client", kind, "small")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(begin)
    assert sorted(declared.iterdir()) == before


def test_the_page_has_the_projects_names_and_no_text_of_it_as_html(declared: Path, cli: Callable[..., Any]) -> None:
    page = cli("client", "page", "small").out
    assert '<html lang="nb-NO">' in page
    assert "<title>&lt;b&gt;Trips &amp; more&lt;/b&gt;</title>" in page
    assert "load('https://cdn.platform.openai.com/deployments/chatkit/chatkit.js')" in page
    assert "const url = 'http://127.0.0.1:9000/talk', below" in page
    assert "const clientTools = ['pick'], effects = ['fly to'], hasMentions = false;" in page
    assert re.findall(r"\b[A-Z][A-Z_]{3,}\b", page) == []


def test_server_and_component_may_be_elsewhere(declared: Path, cli: Callable[..., Any]) -> None:
    page = cli("client", "page", "small", "--server", "/it's", "--script", '/own.js?a&"b').out
    assert "const url = '/it\\'s', below" in page
    assert "load('/own.js?a&\"b')" in page


def test_no_address_ends_the_script_of_the_page(declared: Path, cli: Callable[..., Any]) -> None:
    page = cli("client", "page", "small", "--server", "/a</script>", "--script", "/b</script>").out
    assert page.count("</script>") == 1


def test_the_chat_at_the_root_of_a_server_has_no_empty_part_in_its_addresses(
    declared: Path, cli: Callable[..., Any]
) -> None:
    (declared / "agents.yaml").write_text(CONFIG.replace("path: /talk", "path: /"))
    page = cli("client", "page", "small").out
    assert "const url = 'http://127.0.0.1:9000/', below = url.replace(/\\/$/, '');" in page
    assert "`${url}" not in page


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("chat.local", "chat.local")]
)
def test_an_address_that_no_page_can_ask_is_this_machines(
    declared: Path, cli: Callable[..., Any], host: str, address: str
) -> None:
    (declared / "agents.yaml").write_text(CONFIG.replace("port: 9000", f'host: "{host}"'))
    assert f"const url = 'http://{address}:8000/talk', below" in cli("client", "page", "small").out


def test_the_handlers_are_written_once_and_never_again(declared: Path, cli: Callable[..., Any]) -> None:
    ran = cli("client", "page", "small", "-o", "web")
    assert (ran.code, ran.out) == (0, "wrote web/index.html\nwrote web/handlers.js\n")
    assert "note: a page from another origin can't call the server" in ran.err
    handlers = declared.parent / "web" / "handlers.js"
    assert handlers.read_text() == cli("client", "handlers", "small").out
    assert "    // Pick\n    // something.\n    // Pick again.\n    async pick(args) {\n" in handlers.read_text()
    assert "    'fly to'(data) {\n" in handlers.read_text()
    handlers.write_text("mine")
    assert cli("client", "page", "small", "-o", "web/index.html", "--server", "/talk").err == ""
    ran = cli("client", "handlers", "small", "-o", "web")
    assert (ran.code, ran.out) == (1, "")
    assert "web/handlers.js exists and is not overwritten" in ran.err
    assert handlers.read_text() == "mine"


def test_check_fails_where_the_file_is_missing_or_old(declared: Path, cli: Callable[..., Any]) -> None:
    arguments = ("client", "types", "small", "-o", "src/chat.ts")
    ran = cli(*arguments, "--check")
    assert (ran.code, ran.out) == (1, "")
    assert "src/chat.ts can't be read" in ran.err
    assert not (declared.parent / "src").exists()
    assert cli(*arguments).out == "wrote src/chat.ts\n"
    ran = cli(*arguments, "--check")
    assert (ran.code, ran.out, ran.err) == (0, "src/chat.ts: up to date\n", "")
    (declared / "agents.yaml").write_text(CONFIG.replace("client: pick,", "client: choose,", 1))
    before = (declared.parent / "src" / "chat.ts").read_text()
    ran = cli(*arguments, "--check")
    assert ran.code == 1
    assert "src/chat.ts is out of date" in ran.err
    assert (declared.parent / "src" / "chat.ts").read_text() == before


def test_what_the_page_is_not_asked_for_changes_nothing(declared: Path, cli: Callable[..., Any]) -> None:
    cli("client", "types", "small", "-o", "web")
    (declared / "agents.yaml").write_text(CONFIG.replace("Help.", "Help well."))
    assert cli("client", "types", "small", "-o", "web", "--check").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("types", "small", "--check"), "--check needs --output"),
        (("handlers", "small", "--check", "-o", "web"), "is yours to edit"),
        (("types", "small", "--server", "/x"), "--server and --script only apply to"),
        (("types", "small", "-o", "small/script.yaml/chat.ts"), "can't write"),
        (("tipes", "small"), "tipes"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage_ends_with_two(
    declared: Path, cli: Callable[..., Any], arguments: tuple[str, ...], words: str
) -> None:
    ran = cli("client", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_a_config_with_mistakes_is_reported_as_show_does(declared: Path, cli: Callable[..., Any]) -> None:
    (declared / "agents.yaml").write_text(CONFIG.replace("client: pick,", "clint: pick,", 1))
    shown, ran = cli("show", "small"), cli("client", "types", "small", "-o", "web")
    assert ran == shown
    assert ran.code == 1
    assert "small/agents.yaml:6:" in ran.err
    assert not (declared.parent / "web").exists()


def test_no_secret_gets_into_a_page(declared: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_TEST_KEY", "correct-horse-battery")
    text = CONFIG.replace("scripted: script.yaml", 'name: gpt-6-luna, api_key: "${CLIENT_TEST_KEY}"')
    (declared / "agents.yaml").write_text(text.replace("Pick again.", "Pick with ${CLIENT_TEST_KEY}."))
    for kind in ("page", "types", "handlers"):
        ran = cli("client", kind, "small")
        assert ran.code == 0
        assert "correct-horse" not in ran.out + ran.err
    assert "Pick with ***." in cli("client", "types", "small").out


def test_nothing_of_ours_looks_like_a_secret(declared: Path, cli: Callable[..., Any]) -> None:
    for kind in ("page", "types", "handlers"):
        assert "***" not in cli("client", kind, "small").out
