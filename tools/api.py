"""Routes of our own beside ChatKit's: what a page around the chat may ask for."""

from typing import Any

from fastapi import APIRouter, Request

router = APIRouter(prefix="/api")


@router.get("/packing/{thread_id}")
async def read_packing_list(thread_id: str, request: Request) -> dict[str, Any]:
    """The packing list of a thread."""
    lists = request.app.state.runtime.state["packing"]
    return {"items": lists.items(thread_id)}
