"""The check refuses what the build refuses, and else only what no data makes work: on random edits of widgets."""

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.validation.widgets import rendering
from runtime.widgets.sandbox import TrialResult, try_one
from runtime.widgets.trial import TrialInput
from tests.validation.test_widgets import SAMPLES, check, hold_against_the_build

ROOT = Path(__file__).parents[2]
EDITS_EACH = 12
VALUES: list[Any] = [
    *(None, 1, -1.5, True, "x", "", "{{ a }}", "{{ a.b }}", "{{", "{% if a %}", [], {}, [1], {"a": 1}),
    *({"type": "Text"}, {"$if": "a", "$then": 1}, {"$for": "a in b"}),
]
EXPORTS = [*ROOT.glob("widgets/*"), *ROOT.glob("examples/courier_desk/widgets/*")]
WIDGETS: list[tuple[Any, dict[str, Any]]] = [
    *SAMPLES,
    *((json.loads(file.read_text(encoding="utf-8")), {"sample": {}}) for file in EXPORTS),
    *((json.loads(file.read_text(encoding="utf-8")), {}) for file in EXPORTS),
]


def in_this_process(widgets: Sequence[TrialInput]) -> list[TrialResult]:
    """Try widgets that are no danger, without the time that a process of their own takes."""
    return [_try(widget) for widget in widgets]


def _try(widget: TrialInput) -> TrialResult:
    result = TrialResult()

    def receive(message: dict[str, Any]) -> None:
        result.stage = message.get("stage", result.stage)
        result.faults += [message["fault"]] if "fault" in message else []

    result.reason = try_one(widget, receive)
    return result


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def edit(value: Any, choices: random.Random) -> Any:
    """Change one thing: take it out, put another in its place, misspell its key, or drop or add a character."""
    value = copy.deepcopy(value)
    *path, key = choices.choice(list(paths(value)))
    parent = value
    for step in path:
        parent = parent[step]
    text = parent[key] if isinstance(parent[key], str) else ""
    index = choices.randrange(len(text) + 1)
    edits: list[Callable[[], object]] = [
        lambda: parent.pop(key),
        lambda: parent.__setitem__(key, choices.choice(VALUES)),
        lambda: parent.__setitem__(f"{key}x", parent.pop(key)) if isinstance(key, str) else None,
        lambda: parent.__setitem__(key, text[:index] + text[index + 1 :]),
        lambda: parent.__setitem__(key, text[:index] + choices.choice('"\\{}%,:[]x ') + text[index:]),
    ]
    choices.choice(edits)()
    return value


@pytest.mark.parametrize("seed", range(EDITS_EACH))
def test_an_edited_widget_is_refused_where_the_build_does_or_no_data_makes_it_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(rendering, "try_widgets", in_this_process)
    choices = random.Random(seed)
    for template, more in WIDGETS:
        edited = edit({"template": template, "more": more}, choices)
        template, more = edited.get("template"), edited.get("more")
        if not _is_one(more):
            continue
        text = f"widgets: {json.dumps({'card': {'template': 'card.json', **more}})}\n"
        found = check(tmp_path, text, {"card.json": json.dumps(template)})
        hold_against_the_build(tmp_path, more, found)


def _is_one(more: Any) -> bool:
    """Return whether the entry has the right shape; others are refused earlier."""
    kinds = {"data": dict, "sample": dict, "copy_text": str}
    return isinstance(more, dict) and all(isinstance(value, kinds.get(key, ())) for key, value in more.items())
