"""What a server holds before it starts: threads in its own store, and agents. Both sides get the same.

Threads are written with what the stores offer to everybody, in the server's own process: no other reaches its memory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    InferenceOptions,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)

from benchmarks.project.zero import TEXT
from benchmarks.team import ASKING, agents_yaml

_PLAN = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many threads of how many items, as pairs (items, threads) in the order of creation; and how many agents.

    Without a number of agents they are the project's own.
    """

    threads: tuple[tuple[int, int], ...] = ()
    agents: int = 0


def thread_name(items: int, number: int) -> str:
    """The id of the thread `number`, from 0, of those that hold so many items."""
    return f"thr_{items:06d}_{number:06d}"


def write_plan(plan: Plan, project: Path, store: str) -> None:
    """Leave the plan in the server's project, and declare its agents there."""
    (project / _PLAN).write_text(json.dumps(asdict(plan)))
    if plan.agents:
        text = agents_yaml(plan.agents, asking=ASKING)
        (project / "agents.yaml").write_text(f"{text}store: {json.dumps(store)}\n")


def read_plan(project: Path) -> Plan:
    """Return what was left there."""
    file = project / _PLAN
    if not file.is_file():
        return Plan()
    kept = json.loads(file.read_text())
    return Plan(tuple((items, threads) for items, threads in kept["threads"]), kept["agents"])


def fill_handwritten(store: Any, plan: Plan) -> None:
    """Fill the store of the handwritten server."""

    async def fill() -> None:
        for thread, items in _threads(plan):
            await store.save_thread(thread, {})
            for item in items:
                await store.add_thread_item(thread.id, item, {})

    asyncio.run(fill())


def fill_runtime(app: Any, project: Path, plan: Plan) -> None:
    """Fill the store of the runtime, which is not open yet."""
    from runtime.server.request import LOCAL_USER
    from runtime.stores import open_store

    async def fill() -> None:
        # What is in memory belongs to the app; a database is filled through a store of its own, and closed again.
        in_memory = app.state.runtime.config.store.url == "memory"
        file = project / ".chatkit" / "threads.db"
        file.parent.mkdir(exist_ok=True)
        store = app.state.runtime.store if in_memory else open_store(f"sqlite:///{file}")
        await store.open()
        for thread, items in _threads(plan):
            await store.create_thread(LOCAL_USER.id, thread, items)
        if not in_memory:
            await store.close()

    if plan.threads:
        asyncio.run(fill())


def _threads(plan: Plan) -> Iterator[tuple[ThreadMetadata, list[ThreadItem]]]:
    now = datetime.now(UTC)
    for items, threads in plan.threads:
        for number in range(threads):
            thread_id = thread_name(items, number)
            thread = ThreadMetadata(id=thread_id, created_at=now, title=f"Thread {number}")
            yield thread, [_item(thread_id, place, now) for place in range(items)]


def _item(thread_id: str, place: int, now: datetime) -> ThreadItem:
    item_id = f"msg_{thread_id}_{place:06d}"
    if place % 2:
        content = [AssistantMessageContent(text=TEXT)]
        return AssistantMessageItem(id=item_id, thread_id=thread_id, created_at=now, content=content)
    return UserMessageItem(
        id=item_id,
        thread_id=thread_id,
        created_at=now,
        content=[UserMessageTextContent(text="And then?")],
        attachments=[],
        inference_options=InferenceOptions(),
    )
