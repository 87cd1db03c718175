"""The route that counts the versions of the project that are alive in the process."""

from __future__ import annotations

import asyncio
import gc

from fastapi import APIRouter, Request

from runtime.server.generations.generation import Generation

router = APIRouter()


@router.get("/alive")
async def alive(request: Request) -> dict[str, int]:
    """Return the number of generations, and of those that wait for the end of their last answer."""
    live = request.app.state.runtime.live
    for _ in range(20):
        gc.collect()
        count, draining = sum(isinstance(item, Generation) for item in gc.get_objects()), len(live.old)
        if count <= draining + 2:
            break
        await asyncio.sleep(0.02)  # an answer that has just ended still refers to its generation
    return {"alive": count, "draining": draining}
