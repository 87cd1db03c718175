"""A click of an example whose payload lacks a key is a 400 that names the key: each action declares what it reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from runtime import create_app

ROOT = Path(__file__).resolve().parents[2]
CLICKS = {
    "airline_desk": [
        ("flight.select", {}, "flight"),
        ("seat.choose", {"flight": "NW118"}, "seat"),
        ("meal.choose", None, "meal"),
        ("meal.choose", {"meal": 3}, "meal"),
    ],
    "courier_desk": [
        ("slot.choose", {"slot": "tomorrow"}, "number"),
        ("slot.choose", {"number": "P-101"}, "slot"),
        ("claim.withdraw", {}, "claim"),
    ],
    "metro_map": [("line.choose", {}, "line"), ("line.choose", {"line": "purple"}, "line")],
    "newsroom": [("article.open", {}, "id")],
    "pet_lounge": [
        ("name.choose", {"names": ["Rex"]}, "name"),
        ("name.choose", {"name": "Rex"}, "names"),
        ("name.more", {}, "names"),
        ("pet.pat", {}, "name"),
    ],
}


@pytest.mark.parametrize(
    ("example", "action", "payload", "key"), [(name, *click) for name, clicks in CLICKS.items() for click in clicks]
)
async def test_a_click_without_a_key_is_a_400_that_names_it(
    tmp_path: Path, example: str, action: str, payload: object, key: str
) -> None:
    source = ROOT / "examples" / example
    folder = shutil.copytree(source, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__", ".chatkit"))
    app = create_app(folder / "agents.yaml", environ={"OPENAI_API_KEY": "none"})
    request = {"type": "threads.custom_action", "params": {"thread_id": "thr_1", "action": _action(action, payload)}}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        answer = await client.post("/chatkit", json=request)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == "invalid_payload"
    assert repr(action) in error["message"]
    assert f"'{key}'" in error["message"] or f"$.{key}:" in error["message"]


def _action(kind: str, payload: object) -> dict[str, object]:
    return {"type": kind} if payload is None else {"type": kind, "payload": payload}


def test_every_example_with_actions_is_tried() -> None:
    found = {path.parent.name for path in (ROOT / "examples").glob("*/agents.yaml")}
    assert found <= CLICKS.keys()
