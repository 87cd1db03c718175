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
from benchmarks.serve import PLAN
from benchmarks.team import ASKING, agents_yaml


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
    (project / PLAN).write_text(json.dumps(asdict(plan)))
    if plan.agents:
        text = agents_yaml(plan.agents, asking=ASKING)
        (project / "agents.yaml").write_text(f"{text}store: {json.dumps(store)}\n")


def _read_plan(project: str) -> Plan:
    kept = json.loads(Path(project, PLAN).read_text())
    return Plan(tuple((items, threads) for items, threads in kept["threads"]), kept["agents"])


def prepared_handwritten(project: str) -> Any:
    """Return the handwritten app with all that is planned."""
    from benchmarks.handwritten import DictStore, assistant, build_app, build_team

    plan = _read_plan(project)
    store = DictStore()

    async def fill() -> None:
        for thread, items in _threads(plan):
            await store.save_thread(thread, {})
            for item in items:
                await store.add_thread_item(thread.id, item, {})

    asyncio.run(fill())
    return build_app(build_team(plan.agents) if plan.agents else assistant, store)


def prepare_runtime(app: Any, project: str) -> None:
    """Fill the store of the runtime's app, which is not open yet."""
    from runtime.server.turns.request import LOCAL_USER
    from runtime.stores import open_store

    plan = _read_plan(project)
    # What is in memory belongs to the app; a database is filled through a store of its own, and closed again.
    in_memory = app.state.runtime.config.store.url == "memory"
    file = Path(project, ".chatkit", "threads.db")
    file.parent.mkdir(exist_ok=True)

    async def fill() -> None:
        store = app.state.runtime.store if in_memory else open_store(f"sqlite:///{file}")
        await store.open()
        for thread, items in _threads(plan):
            await store.create_thread(LOCAL_USER.id, thread, items)
        if not in_memory:
            await store.close()

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
