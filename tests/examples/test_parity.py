"""An existing ChatKit backend moves to agents.yaml without touching its tools: the same requests, the same events.

Both servers run here, over HTTP and against the same model: the handwritten one, and the one that agents.yaml
declares. What differs must stand in differences.yaml, with the documented reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.desk_model import draw_or_cite
from tests.examples.desk_play import play
from tests.examples.differences import read_permitted
from tests.examples.exchanges import Exchange
from tests.examples.pairs import Pair, Run, Runs, run_both

ROOT = Path(__file__).resolve().parents[2]
DESK = Pair("courier_desk", "DESK", Path(__file__).with_name("desk_script.yaml"), play, draw_or_cite)
REASONS = ROOT / "docs" / "sdk-differences.md"
HANDWRITTEN_FAILS = {
    "its result once more",
    "the model fails",
    "cite your sources",
    "an action of an unknown item",
    "an action without its payload",
    "a sync action",
    "dictation",
    "create with an unknown attachment",
    "no such parcel",
    "not JSON",
    "no such request",
    "get an unknown thread",
    "write to an unknown thread",
    "an undeclared action",
    "get after delete",
}
PERMITTED = read_permitted(Path(__file__).with_name("differences.yaml"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with run_both(DESK, tmp_path_factory.mktemp("desk")) as both:
        yield both


def test_the_desk_itself_knows_neither_server() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in (DESK.folder / "app").glob("*.py")}
    assert {"tools.py", "actions.py", "context.py", "converter.py", "routes.py"} <= sources.keys()
    imports = re.compile(r"^\s*(?:from|import)\s+(?:runtime|handwritten)\b", re.MULTILINE)
    assert not [name for name, source in sources.items() if imports.search(source)]


def test_both_servers_send_the_same_events(runs: Runs) -> None:
    unknown = runs.unexplained(PERMITTED)
    assert not unknown, "\n\n".join(map(str, unknown))


def test_every_permitted_difference_occurs_and_has_its_documented_reason(runs: Runs) -> None:
    unused = runs.unused(PERMITTED)
    anchors = set(re.findall(r'<a id="([\w-]+)">', REASONS.read_text(encoding="utf-8")))
    assert not unused
    assert {entry.why for entry in PERMITTED} <= {f"docs/sdk-differences.md#{anchor}" for anchor in anchors}


def test_the_conversation_meets_everything_that_a_published_backend_does(runs: Runs) -> None:
    events = [event for exchange in runs.handwritten.exchanges.values() for event in exchange.events]
    kinds = {event.get("type") for event in events}
    items = {event["item"]["type"] for event in events if "item" in event}
    updates = {event["update"]["type"] for event in events if "update" in event}
    assert kinds >= {"client_effect", "progress_update", "thread.item.replaced", "thread.updated", "error"}
    assert items >= {"assistant_message", "widget", "workflow", "generated_image", "client_tool_call"}
    assert "structured_input" in items
    assert updates >= {"workflow.task.added", "workflow.task.updated", "generated_image.updated"}
    assert "widget.streaming_text.value_delta" in updates
    failed = {name for name, exchange in runs.handwritten.exchanges.items() if _has_failed(exchange)}
    assert failed == HANDWRITTEN_FAILS


def _has_failed(exchange: Exchange) -> bool:
    return exchange.status >= 400 or any("broken" in e or e.get("type") == "error" for e in exchange.events)


def test_the_model_gets_the_same_input(runs: Runs) -> None:
    handwritten, ours = _told(runs.handwritten.model_requests), _told(runs.ours.model_requests)
    assert ours.keys() == handwritten.keys()
    for instructions, requests in handwritten.items():
        assert ours[instructions] == requests


def test_the_model_is_offered_the_same_tools(runs: Runs) -> None:
    def offered(run: Run) -> dict[str, Any]:
        return {request["instructions"]: _by_name(request.get("tools", [])) for request in run.model_requests}

    assert offered(runs.ours) == offered(runs.handwritten)


def test_only_our_server_sends_the_model_the_results_of_earlier_calls(runs: Runs) -> None:
    """Documented as `docs/sdk-differences.md#tool-history`."""
    last = {name: _last_of_the_desk(run.model_requests) for name, run in vars(runs).items()}
    calls = {name: [i["name"] for i in items if i.get("type") == "function_call"] for name, items in last.items()}
    assert set(calls["handwritten"]) == {"ask_location"}
    assert set(calls["ours"]) >= {"track_parcel", "take_note", "list_parcels", "ask_location"}


def _told(requests: list[dict[str, Any]]) -> dict[str, list[list[tuple[str, str]]]]:
    """Gather, by the agent's instructions, the messages of each request: who says what; calls stand apart."""
    told: dict[str, list[list[tuple[str, str]]]] = {}
    for request in requests:
        items = request["input"] if isinstance(request["input"], list) else [{"content": request["input"]}]
        messages = [(item.get("role", "user"), _text(item["content"])) for item in items if "content" in item]
        told.setdefault(request["instructions"], []).append(messages)
    return told


def _text(content: Any) -> str:
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return re.sub(r"\(id: \w+\)", "(id)", text)


def _by_name(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {tool.get("name", tool["type"]): tool for tool in tools}


def _last_of_the_desk(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    request = next(r for r in reversed(requests) if "talking to ida" in r["instructions"])
    return list(request["input"])
