"""Icons of start prompts, of tools of the composer and of entities, by the types of the web component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runtime.config.model.chat import Chat, MentionEntity, StartPrompt
from runtime.config.model.component import ComposerTool
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.validation.checked_project import CheckedProject
from runtime.widgets.components import icons

_LUCIDE = re.compile("lucide:[a-z0-9]+(-[a-z0-9]+)*")
_VENDOR = "vendor:"
_IN_WIDGETS_ONLY = frozenset({"dot"})


def chat_icons() -> list[str]:
    """Return the names of the icons that the component takes outside of widgets."""
    return [name for name in icons() if name not in _IN_WIDGETS_ONLY]


def check_icons(project: CheckedProject) -> None:
    """Report icons that the component does not have: it shows none in their place (A414).

    It takes ChatKit's names, `lucide:…`, and `vendor:…` of those to whom OpenAI has given some. The icon of an entity
    may also be the address of a picture.
    """
    for path, icon in _icons_of(project.config.chat):
        if icon in chat_icons() or icon.startswith(_VENDOR) or _LUCIDE.fullmatch(icon):
            continue
        if path[1] == "tags" and ("/" in icon or icon.startswith("data:")):
            continue
        if icon in _IN_WIDGETS_ONLY:
            hint = "it is for widgets alone"
        elif icon.startswith("lucide:"):
            hint = "write it as on lucide.dev, such as 'lucide:map-pin'"
        else:
            hint = suggest(icon, chat_icons())
        project.collector.report("A414", path, f"ChatKit has no icon {icon!r}", hint, severity="warning")


def _icons_of(chat: Chat) -> Iterator[tuple[KeyPath, str]]:
    sections: list[tuple[KeyPath, Sequence[StartPrompt | ComposerTool | MentionEntity]]] = [
        (("chat", "start_prompts"), chat.start_prompts),
        (("chat", "composer", "tools"), chat.composer.tools),
        (("chat", "tags", "entities"), chat.tags.entities if chat.tags is not None else ()),
    ]
    for path, entries in sections:
        for index, entry in enumerate(entries):
            if entry.icon is not None:
                yield (*path, index, "icon"), entry.icon
