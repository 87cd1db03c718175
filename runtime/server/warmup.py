"""Run one offline turn at the start, so that the first user does not wait for the SDKs' lazy initialisation."""

from __future__ import annotations

from datetime import UTC, datetime

from agents import Agent, Runner
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadItemDoneEvent

from runtime.assemble.models import run_config
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.server.turns.sse import frame

_done = False


async def warm_up() -> None:
    """Run the turn, once in a process."""
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
