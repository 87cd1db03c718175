"""The icons of the empty chat: the same names as in widgets."""

from __future__ import annotations

from runtime.check.subject import Subject
from runtime.config.wording import suggest
from runtime.widgets.known import icons

_VENDOR = "vendor:"


def check_icons(subject: Subject) -> None:
    """Report icons that ChatKit does not have: the page shows none in their place."""
    for index, prompt in enumerate(subject.config.chat.start_prompts):
        if prompt.icon is not None and not prompt.icon.startswith(_VENDOR) and prompt.icon not in icons():
            path = ("chat", "start_prompts", index, "icon")
            hint = suggest(prompt.icon, icons())
            subject.found.report("A414", path, f"ChatKit has no icon {prompt.icon!r}", hint, severity="warning")
