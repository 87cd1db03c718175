from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from chatkit.types import WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.server.turns.clicks import has_action


@pytest.mark.parametrize(
    ("part", "offered"),
    [
        ({"type": "Button", "onClickAction": {"type": "buy"}}, True),
        ({"type": "Form", "onSubmitAction": {"type": "buy"}, "children": []}, True),
        ({"type": "Row", "children": [{"type": "Select", "name": "n", "onChangeAction": {"type": "buy"}}]}, True),
        ({"type": "Button", "onClickAction": {"type": "sell", "payload": {"type": "buy"}}}, False),
        ({"type": "Text", "value": "buy"}, False),
    ],
)
def test_the_actions_of_a_widget_are_found_in_all_its_parts(part: dict[str, Any], offered: bool) -> None:
    for root in (
        {"type": "Card", "children": [part]},
        {"type": "ListView", "children": [{"type": "ListViewItem", "children": [part]}]},
    ):
        assert has_action(_widget(root), "buy") is offered
    confirm = {"type": "Card", "children": [], "confirm": {"label": "Yes", "action": {"type": "buy"}}}
    assert has_action(_widget(confirm), "buy")


def _widget(root: dict[str, Any]) -> WidgetItem:
    widget = DynamicWidgetRoot.model_validate(root)
    return WidgetItem(id="itm_1", thread_id="thr_1", created_at=datetime.now(UTC), widget=widget)
