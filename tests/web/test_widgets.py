"""The components of widgets in Chromium: each value of each prop, actions, forms, messages, transitions, charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.gallery import Gallery, open_gallery
from tests.web.widget_cases import BASES, BEHAVIOUR, Case, cases, components

pytestmark = pytest.mark.timeout(600)
CASES = list(cases())


@pytest.fixture(scope="module")
def opened() -> Iterator[Gallery]:
    with open_gallery() as gallery:
        yield gallery


@pytest.fixture
def gallery(opened: Gallery) -> Iterator[Gallery]:
    opened.hold(False)
    opened.actions()
    opened.problems.clear()
    yield opened
    assert opened.problems == []


def test_each_component_of_the_sdk_has_a_sample_here() -> None:
    assert components().keys() == BASES.keys()
    assert BEHAVIOUR.keys() <= {(case.component, case.prop) for case in CASES}


@pytest.mark.parametrize("component", sorted(BASES))
def test_each_value_of_each_prop_is_known_and_makes_a_difference(gallery: Gallery, component: str) -> None:
    for case in CASES:
        if case.component == component:
            _compare(gallery, case)


def _compare(gallery: Gallery, case: Case) -> None:
    seen = gallery.page.evaluate("(widgets) => gallery.compare(widgets)", list(case.widgets))
    assert [notes for one in seen for notes in one["notes"]] == [], f"{case.component}.{case.prop}"
    if (case.component, case.prop) in BEHAVIOUR:
        return
    alike: dict[str, list[Any]] = {}
    for value, one in zip(case.values, seen, strict=True):
        alike.setdefault(one["sight"], []).append(value)
    assert [values for values in alike.values() if len(values) > 1] == [], f"{case.component}.{case.prop} look the same"
