"""Plans: what a request that starts a turn will do, as data, after all checks of the request have passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatkit import types
from chatkit.actions import Action

from runtime.assemble.actions import BuiltAction
from runtime.server.turns.approvals import PendingRun
from runtime.server.turns.sse import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """The fields of every plan; all checks of the request have passed."""

    thread: types.ThreadMetadata
    opening: Sequence[Event] = ()
    """Events to send before the stream's options; they are stored already."""
    news: Sequence[Event] = ()
    """Events to send after the stream's options; they are stored already."""
    stale: Sequence[str] = ()
    """The ids of the items that a retry replaces."""
    title_from: str | None = None
    """The text that a thread without a title is named after."""
    items: Sequence[types.ThreadItem] = ()
    """The items of the thread that the agents answer, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendNews(_Common):
    """Send `news` and nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerThread(_Common):
    """Let the agents answer a thread that holds `items`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRun(_Common):
    """Continue a run for which the user has decided every call; `items` is the thread without the stored run."""

    pending: PendingRun


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleAction(_Common):
    """Run the Python handler of an action, and let the agents answer where the handler asks for it."""

    built: BuiltAction
    action: Action[str, Any]
    sender: types.WidgetItem | None


Plan = SendNews | AnswerThread | ResumeRun | HandleAction
