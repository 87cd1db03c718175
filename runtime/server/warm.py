"""Pay once, at the start, for what the SDKs put off until their first use; else the first user would wait for it."""

from __future__ import annotations

import gc
import sys
from datetime import UTC, datetime

from agents import Agent, Runner
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadItemDoneEvent

from runtime.assemble.models import run_config
from runtime.assemble.scripted import ScriptedConversation
from runtime.server.collecting import never_through_everything
from runtime.server.wire import frame

_done = False


_SWITCH_S = 0.0005


def settle() -> None:
    """Set the interpreter up for a process that serves and does nothing else.

    All that start-up made leaves the garbage collector's sight. The SDKs are a quarter of a million objects: to walk
    over them takes a quarter of a second, in which every stream stands still, and what is looked for is not among
    them. From then on it goes through everything at rest alone (`collect_at_rest`). And while an edit is built in a
    thread, the event loop gets its turn ten times as often as Python would give it.
    """
    gc.freeze()
    never_through_everything()
    sys.setswitchinterval(_SWITCH_S)


async def warm_up() -> None:
    """Run one offline turn through the SDKs; any later call does nothing."""
    global _done
    if _done:
        return
    _done = True
    model = ScriptedConversation.from_data({"otherwise": "ready"})
    result = Runner.run_streamed(Agent(name="warm-up", model=model), "ready?", run_config=run_config())
    async for _ in result.stream_events():
        continue
    content = [AssistantMessageContent(text="ready")]
    item = AssistantMessageItem(id="warm-up", thread_id="warm-up", created_at=datetime.now(UTC), content=content)
    frame(ThreadItemDoneEvent(item=item))
