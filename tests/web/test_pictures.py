"""The pictures of the docs: the sample project in a browser (UPDATE_EXPECTED=1 takes them anew)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.cli.test_serve import serving
from tests.web.conftest import Chat, Visitor

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "images"
SIZE = {"width": 760, "height": 620}


@pytest.fixture
def trailhead(tmp_path: Path) -> Iterator[str]:
    """Serve a copy of the sample project with `dev`; gives the address of its page, the first one that is printed."""
    folder = tmp_path / "trailhead"
    folder.mkdir()
    for name in ("agents.yaml", "tools", "widgets", "prompts", "demo"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    with serving(folder, "dev") as server:
        first = next(line for line in server.head if "http" in line)
        yield first.removeprefix("open ").removesuffix("/ in a browser")


def ask_for_a_trail(visitor: Visitor, url: str) -> Chat:
    chat = visitor.open(url)
    chat.say("Find me an easy trail")
    expect(chat.frame.get_by_role("button").filter(has_text="Tell me more").first).to_be_visible()
    expect(chat.frame.get_by_role("button", name="Stop")).to_have_count(0)
    return chat


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sample_project_on_the_chat_page(trailhead: str, visit: Callable[..., Any], scheme: str) -> None:
    visitor = visit(viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5)
    chat = ask_for_a_trail(visitor, trailhead)
    name = "chat-page.png" if scheme == "light" else "chat-page-dark.png"
    if os.environ.get("UPDATE_EXPECTED"):
        chat.page.screenshot(path=PICTURES / name)
    picture = (PICTURES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (width, height) == (SIZE["width"] * 1.5, SIZE["height"] * 1.5)
