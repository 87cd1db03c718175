"""Fill the store of a server before it starts, in the server's own process: the same threads for all servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
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

from benchmarks.project.instant_model import TEXT
from benchmarks.projects import PLAN, Plan, thread_name


def _read_plan(project: str) -> Plan:
    plan = json.loads(Path(project, PLAN).read_text())
    return Plan(tuple((items, threads) for items, threads in plan["threads"]), plan["agents"])


def prepare_handwritten(project: str) -> Any:
    """Return the handwritten app with the agents and threads of the plan."""
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
    """Fill the store of the runtime's app before the app opens it."""
    from runtime.auth.user import LOCAL_USER
    from runtime.stores import open_store

    plan = _read_plan(project)
    # A memory store belongs to the app; a database is filled through another store, which is then closed.
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
            yield thread, [make_item(thread_id, place, now) for place in range(items)]


def make_item(thread_id: str, place: int, now: datetime) -> ThreadItem:
    """Return the item at a place, from 0: messages of the user and of the assistant take turns."""
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
