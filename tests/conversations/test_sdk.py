"""What the SDKs consist of, held against a list: a release that adds to it is a release to look at before it is used.

To take a new release over: see what is new, decide what it means for the runtime, and add it to sdk_vocabulary.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_origin

import agents
import pytest
from chatkit import icons, types, widgets
from chatkit.server import ChatKitServer
from chatkit.store import Store, StoreItemType
from pydantic import BaseModel

KNOWN: dict[str, list[str]] = json.loads((Path(__file__).parent / "sdk_vocabulary.json").read_text())


def _members(annotation: Any) -> list[Any]:
    """The classes and literals that an annotation stands for, however they are nested."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation]
    arguments = get_args(annotation)
    # Of an Annotated only the first argument is a type.
    nested = arguments[:1] if hasattr(annotation, "__metadata__") else arguments
    return [member for inner in nested for member in _members(inner)] if nested else [annotation]


def _types(annotation: Any) -> list[str]:
    """The values of the `type` field of the models in a union."""
    found: set[str] = set()
    for model in _members(annotation):
        if isinstance(model, type) and issubclass(model, BaseModel) and "type" in model.model_fields:
            found.update(map(str, _members(model.model_fields["type"].annotation)))
    return sorted(found)


def _methods(kind: type) -> list[str]:
    return sorted(name for name in vars(kind) if not name.startswith("__"))


def vocabulary() -> dict[str, list[str]]:
    return {
        "requests": _types(types.ChatKitReq),
        "events": _types(types.ThreadStreamEvent),
        "items": _types(types.ThreadItem),
        "item updates": _types(types.ThreadItemUpdate),
        "tasks": _types(types.Task),
        "structured inputs": _types(types.StructuredInput),
        "thread statuses": _types(types.ThreadStatus),
        "attachments": _types(types.Attachment),
        "widget roots": _types(widgets.StrictWidgetRoot),
        "widget components": _types(widgets.StrictWidgetComponent),
        "icons": sorted(str(name) for name in _members(icons.IconName) if isinstance(name, str)),
        "item id kinds": sorted(get_args(StoreItemType)),
        "store methods": _methods(Store),
        "server methods": _methods(ChatKitServer),
        "agent context fields": sorted(types_of_context()),
        "tools": sorted(tool.__name__ for tool in map(_origin, _members(agents.Tool))),
    }


def types_of_context() -> list[str]:
    from chatkit.agents import AgentContext

    return [*AgentContext.model_fields, *(name for name in vars(AgentContext) if callable(vars(AgentContext)[name]))]


def _origin(kind: Any) -> Any:
    return get_origin(kind) or kind


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_sdks_consist_of_what_we_know(name: str) -> None:
    found = vocabulary()[name]
    new, gone = sorted(set(found) - set(KNOWN[name])), sorted(set(KNOWN[name]) - set(found))
    assert not new, f"the SDK has new {name}: {new}"
    assert not gone, f"the SDK has no longer these {name}: {gone}"


def test_the_list_knows_every_chapter() -> None:
    assert sorted(vocabulary()) == sorted(KNOWN)
    assert all(KNOWN.values())
