"""Who is asking, from the headers that the airline's gateway sets."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request


def build_context(request: Request) -> dict[str, Any]:
    return {"request": request, "customer": request.headers.get("x-customer", "ida")}
