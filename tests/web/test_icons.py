"""Icons of Lucide: each is drawn as in its package, loaded by its first letter; an unknown one breaks nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.compiling import missing
from tests.web.conftest import MakeSite, Visitor
from tests.web.gallery import Gallery
from tests.web.packages import HOW_TO_GET_THEM, MODULES

ASSETS = Path(__file__).parents[2] / "runtime" / "server" / "web" / "assets"
TOLERANCE = 0.15
"""In steps of the grid of 24; the lengths of arcs are approximations."""


def built() -> dict[str, str]:
    """Return the names of the committed build, each with the data of its path."""
    names: dict[str, str] = {}
    for chunk in sorted(ASSETS.glob("lucide-*.js")):
        text = re.search(r"JSON\.parse\((['\"`])(.*)\1\)", chunk.read_text(), re.DOTALL)
        assert text is not None, chunk.name
        drawn = json.loads(text[2])
        assert {name[0] for name in drawn} == {chunk.name.split("-")[1]}
        names |= drawn
    return names


def package() -> Any:
    source = MODULES / "@iconify-json" / "lucide" / "icons.json"
    if not source.is_file():
        missing(f"Lucide is missing: {HOW_TO_GET_THEM}")
    return json.loads(source.read_text())


@pytest.mark.parametrize(
    "name", ["anchor", "cloud-rain", "train-front", "zap", "a-arrow-down", "house", "circle-help", "trash-2"]
)
def test_a_name_of_lucide_has_a_drawing(name: str) -> None:
    assert built()[name].startswith("M")


@pytest.mark.parametrize(
    ("former", "name"),
    [("home", "house"), ("edit", "square-pen"), ("alert-triangle", "triangle-alert"), ("unlock", "lock-open")],
)
def test_a_former_name_of_lucide_has_the_drawing_of_the_new_one(former: str, name: str) -> None:
    drawings = built()
    assert drawings[former] == drawings[name]


def test_each_name_of_the_package_has_a_drawing() -> None:
    lucide = package()
    own = {name for name, icon in lucide["icons"].items() if "width" not in icon}
    assert len(own) > 1_800
    assert built().keys() == own | lucide["aliases"].keys()


def test_each_drawing_is_as_large_as_the_packages_and_where_it_is(browser: Browser) -> None:
    lucide, drawings = package(), built()
    page = browser.new_page()
    page.set_content("<svg id='a' viewBox='0 0 24 24'></svg><svg id='b' viewBox='0 0 24 24'></svg>")
    measure = """(pairs) => pairs.map(([body, path]) => {
      const [a, b] = [document.getElementById('a'), document.getElementById('b')];
      a.innerHTML = `<g>${body}</g>`;
      b.innerHTML = `<path d="${path}"/>`;
      const pieces = (svg) => [...svg.querySelectorAll(':not(g)')];
      const lengthOf = (svg) => pieces(svg).reduce((sum, each) => sum + each.getTotalLength(), 0);
      const of = (svg) => { const { x, y, width, height } = svg.firstChild.getBBox(); return [x, y, width, height]; };
      const drawn = [...of(b), lengthOf(b) / lengthOf(a)];
      return [...of(a), 1].map((value, index) => Math.abs(value - drawn[index]));
    })"""
    names = [name for name in lucide["icons"] if name in drawings]
    differences = page.evaluate(measure, [[lucide["icons"][name]["body"], drawings[name]] for name in names])
    page.close()
    far = [(name, max(by)) for name, by in zip(names, differences, strict=True) if max(by) > TOLERANCE]
    assert far == []


def paths(page: Page) -> list[str | None]:
    """Return what is drawn by the icons."""
    return [path.get_attribute("d") for path in page.locator(".ckw-icon path").all()]


def test_a_rare_name_is_drawn_with_its_letters_chunk_alone(gallery: Gallery) -> None:
    asked: list[str] = []
    gallery.page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    gallery.draw({"type": "Card", "children": [{"type": "Icon", "name": "lucide:axe"}]})
    expect(gallery.page.locator(".ckw-icon path")).to_have_attribute("d", built()["axe"])
    assert {name.rsplit("-", 1)[0] for name in asked if name.startswith("lucide-")} == {"lucide-a"}


@pytest.mark.parametrize("name", ["lucide:no-such-icon", "lucide:", "lucide:constructor", "vendor:unknown", "ümlaut"])
def test_an_unknown_name_is_an_empty_circle(gallery: Gallery, name: str) -> None:
    gallery.draw({"type": "Card", "children": [{"type": "Icon", "name": "empty-circle"}]})
    expect(gallery.page.locator(".ckw-icon path")).to_have_count(1)
    [circle] = paths(gallery.page)
    gallery.draw({"type": "Card", "children": [{"type": "Icon", "name": name}]})
    expect(gallery.page.locator(".ckw-icon path")).to_have_attribute("d", str(circle))


def test_a_name_of_chatkit_is_drawn_as_chatkit_does_and_with_lucide_as_lucide_does(gallery: Gallery) -> None:
    both = [{"type": "Icon", "name": "star"}, {"type": "Icon", "name": "lucide:star"}]
    gallery.draw({"type": "Card", "children": both})
    expect(gallery.page.locator(".ckw-icon path")).to_have_count(2)
    of_chatkit, of_lucide = paths(gallery.page)
    assert of_lucide == built()["star"] != of_chatkit


def test_the_start_screen_of_a_served_project_draws_them(site: MakeSite, visitor: Visitor) -> None:
    prompts = [{"label": "Boats", "prompt": "Show me boats", "icon": "lucide:sailboat"}]
    chat = visitor.open(site({"chat": {"start_prompts": prompts}}, "Fine.").url)
    chat.shows("Boats")
    expect(chat.frame.locator(".ck-prompt path")).to_have_attribute("d", built()["sailboat"])
