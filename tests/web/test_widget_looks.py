"""Widgets for people with low vision, for assistive technology (axe-core), and for narrow screens."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.axe import violations
from tests.web.gallery import Gallery
from tests.web.widget_cases import BASES, framed
from tests.web.widget_samples import SAMPLES

pytestmark = pytest.mark.timeout(600)

TEXT_COLORS = ["prose", "primary", "emphasis", "secondary", "tertiary", "success", "warning", "danger"]
BADGE_COLORS = ["secondary", "success", "danger", "warning", "info", "discovery"]
BUTTON_COLORS = ["primary", "secondary", "info", "discovery", "success", "caution", "warning", "danger"]
HUES = [0, 60, 120, 180, 240, 300]
THEMES: dict[str, dict[str, Any] | None] = {
    "plain": None,
    **{f"shade-{shade}": {"hue": 0, "tint": 0, "shade": shade} for shade in (-4, 4)},
    **{
        f"hue-{hue}-tint-9-shade-{shade}": {"hue": hue, "tint": 9, "shade": shade}
        for hue, shade in product(HUES, (-4, 0, 4))
    },
}


@pytest.fixture(autouse=True)
def without_motion(gallery: Gallery) -> None:
    # Half faded in, a text has less contrast.
    gallery.page.emulate_media(reduced_motion="reduce")


def _row(*children: dict[str, Any], **props: Any) -> dict[str, Any]:
    return {"type": "Row", "wrap": "wrap", "children": list(children), **props}


def _colors(**props: Any) -> dict[str, Any]:
    """Return a card with each color of texts, badges and buttons in each variant, and with what fields say."""
    texts = [
        _row(*({"type": kind, "value": color, "color": color} for color in TEXT_COLORS))
        for kind in ("Text", "Title", "Caption")
    ]
    badges = [
        _row(*({"type": "Badge", "label": color, "color": color, "variant": variant} for color in BADGE_COLORS))
        for variant in ("solid", "soft", "outline")
    ]
    buttons = [
        _row(*({"type": "Button", "label": color, "color": color, "variant": variant} for color in BUTTON_COLORS))
        for variant in ("solid", "soft", "outline", "ghost")
    ]
    fields = [
        {"type": "Input", "name": variant, "placeholder": variant, "variant": variant}
        for variant in ("outline", "soft")
    ]
    choose = {"type": "Select", "name": "s", "options": [{"value": "a", "label": "A"}], "placeholder": "Choose"}
    link = {"type": "Markdown", "value": "[link](https://a.example) and `code`"}
    return {"type": "Card", "size": "lg", "children": [*texts, *badges, *buttons, *fields, choose, link], **props}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("theme", THEMES)
def test_each_color_can_be_read_in_each_theme(gallery: Gallery, theme: str, dark: bool) -> None:
    grayscale = THEMES[theme]
    gallery.draw(_colors(), dark=dark, theme={"color": {"grayscale": grayscale}} if grayscale else None)
    assert violations(gallery.page, "color-contrast") == []


@pytest.mark.parametrize("theme", ["plain", "hue-240-tint-9-shade-4", "hue-60-tint-9-shade--4"])
@pytest.mark.parametrize("dark", [False, True], ids=["light-in-dark", "dark-in-light"])
def test_each_color_can_be_read_in_a_card_of_the_other_scheme(gallery: Gallery, theme: str, dark: bool) -> None:
    grayscale = THEMES[theme]
    card = _colors(theme="dark" if dark else "light")
    gallery.draw(card, dark=not dark, theme={"color": {"grayscale": grayscale}} if grayscale else None)
    assert violations(gallery.page, "color-contrast") == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("theme", ["plain", "hue-240-tint-9-shade-4"])
def test_axe_finds_nothing_serious_in_the_samples(gallery: Gallery, theme: str, dark: bool) -> None:
    grayscale = THEMES[theme]
    look = {"dark": dark, "theme": {"color": {"grayscale": grayscale}} if grayscale else None}
    gallery.draw({"type": "Basic", "gap": 4, "children": list(SAMPLES.values())}, **look)
    expect(gallery.page.locator(".ckw-surface")).to_have_count(len(SAMPLES))
    assert violations(gallery.page) == []


@pytest.mark.parametrize("component", sorted(BASES))
def test_axe_finds_nothing_serious_in_a_component(gallery: Gallery, component: str) -> None:
    gallery.draw(framed({"type": component, **BASES[component]}))
    assert violations(gallery.page) == []


OVERFLOWING = """() => {
  const found = [];
  for (const body of document.querySelectorAll('.ckw-body')) {
    const { left, right } = body.getBoundingClientRect();
    const style = getComputedStyle(body);
    const [start, end] = [left + parseFloat(style.paddingLeft), right - parseFloat(style.paddingRight)];
    for (const element of body.querySelectorAll('*')) {
      // What goes to the card's edge by itself, what scrolls in its own box, and what is not seen.
      if (element.closest('[data-flush], .ckw-table table, pre > *, svg > *, .ckw-hidden')) continue;
      const box = element.getBoundingClientRect();
      if (!box.width || (box.left >= start - 1 && box.right <= end + 1)) continue;
      found.push(`${element.outerHTML.slice(0, 120)}: ${box.left} to ${box.right} of ${start} to ${end}`);
    }
  }
  return found;
}"""


def _is_cut(gallery: Gallery, widget: dict[str, Any], width: int, **look: Any) -> list[str]:
    gallery.page.set_viewport_size({"width": width, "height": 640})
    gallery.draw(widget, **look)
    found: list[str] = gallery.page.evaluate(OVERFLOWING)
    if gallery.page.evaluate("document.documentElement.scrollWidth") > width:
        found.append("the page scrolls sideways")
    return found


@pytest.mark.parametrize("rtl", [False, True], ids=["ltr", "rtl"])
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_of_a_widget_leaves_its_card(gallery: Gallery, name: str, width: int, rtl: bool) -> None:
    assert _is_cut(gallery, SAMPLES[name], width, rtl=rtl) == []
    expect(gallery.page.locator(".ckw-note")).to_have_count(0)


IN_ROWS = sorted(BASES.keys() - {"Basic", "Card", "ListView", "ListViewItem"})
LONG_WORDS = "Donaudampfschifffahrtsgesellschaftskapitänsmütze and more"


@pytest.mark.parametrize("component", IN_ROWS)
def test_three_of_a_component_in_a_row_stay_in_a_small_card(gallery: Gallery, component: str) -> None:
    node = {"type": component, **BASES[component]}
    texts = {key: LONG_WORDS for key in ("label", "value", "placeholder") if isinstance(node.get(key), str)}
    for children in ([node, node, node], [{**node, **texts}], [{**node, **texts}, node, {"type": "Spacer"}, node]):
        widget = {"type": "Card", "size": "sm", "children": [{"type": "Row", "children": children}]}
        assert _is_cut(gallery, widget, 320) == []


@pytest.mark.parametrize("labels", [("Tell me more", "On the map", "Refresh"), ("Yes",) * 9])
def test_buttons_in_a_row_go_on_in_the_next_line(gallery: Gallery, labels: tuple[str, ...]) -> None:
    buttons = [{"type": "Button", "label": label} for label in labels]
    card = {"type": "Card", "size": "sm", "children": [{"type": "Row", "children": buttons}]}
    assert _is_cut(gallery, card, 320) == []
    tops = gallery.page.get_by_role("button").evaluate_all("all => all.map((each) => each.getBoundingClientRect().top)")
    assert len(set(tops)) >= 2
