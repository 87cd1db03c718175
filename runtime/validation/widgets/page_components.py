"""Components of one's own: the types that widgets use, compared with those that `chat.components` declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.wording import nearest
from runtime.validation.checked_project import CheckedProject
from runtime.widgets.components import load_components

_LIKENESS = 0.8
"""Above that of two names with the same prefix, such as `acme-map` and `acme-bar`."""


@dataclass(frozen=True, slots=True)
class Undeclared:
    """What to report (A412) of a type that is not declared."""

    message: str
    hint: str
    severity: Severity


def find_undeclared(project: CheckedProject, kind: str) -> Undeclared | None:
    """Return what to report of a component of one's own; None if `chat.components` declares it.

    No page is certain not to show it: a page of the project may declare it in its option `widgets.components`. It is a
    warning where the name is probably misspelt, or where the page of `server.page`, which has no other options, shows
    the widget, and a note elsewhere.
    """
    declared = declared_components(project)
    if kind in declared:
        return None
    message = f"'chat.components' does not declare {kind!r}"
    if meant := nearest_component(project, kind):
        return Undeclared(message, f"did you mean {meant!r}? If not, declare this one, too", "warning")
    declaration = f"add the address of its page: `chat: {{components: {{{kind}: /{kind}.html}}}}`"
    if project.config.server.chat_page is not None:
        return Undeclared(f"{message}: the page of 'server.page' can't show it", declaration, "warning")
    return Undeclared(f"{message}: only a page with its own 'widgets.components' shows it", declaration, "note")


def nearest_component(project: CheckedProject, kind: str) -> str | None:
    """Return the declared component that a type probably means, or ChatKit's component that it misspells."""
    # Only names of several words: a name with a hyphen that is like `Form` is meant as it is.
    kebab = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower(): name for name in load_components()["components"]}
    known = {name: name for name in declared_components(project)} | {k: v for k, v in kebab.items() if "-" in k}
    near = nearest(kind, known, _LIKENESS)
    return None if near is None else known[near]


def declared_components(project: CheckedProject) -> frozenset[str]:
    """Return the names in `chat.components`, also those whose declaration has a mistake."""
    chat = project.collector.filled.source.data
    for key in ("chat", "components"):
        chat = chat.get(key) if isinstance(chat, Mapping) else None
    written = chat if isinstance(chat, Mapping) else {}
    return frozenset(name for name in written if isinstance(name, str)) | project.config.chat.components.keys()
