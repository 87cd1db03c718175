"""A route beside ChatKit's."""

from fastapi import APIRouter

router = APIRouter(prefix="/api")


@router.get("/ping")
async def ping() -> dict[str, bool]:
    """Say that the server is there."""
    return {"ok": True}
