"""Counts the versions of the project that are alive in the process."""

from __future__ import annotations

import asyncio
import gc

from fastapi import APIRouter, Request

from runtime.server.generations.generation import Generation

router = APIRouter()


@router.get("/alive")
async def alive(request: Request) -> dict[str, int]:
    """Say how many there are, and how many wait for the end of their last answer."""
    live = request.app.state.runtime.live
    for _ in range(20):
        gc.collect()
        count, draining = sum(isinstance(thing, Generation) for thing in gc.get_objects()), len(live.old)
        if count <= draining + 2:
            break
        await asyncio.sleep(0.02)  # an answer that has just ended lets go of its own in a moment
    return {"alive": count, "draining": draining}
