"""What the page asks for as a user types `@`: entities that fit, and a preview of one."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runtime.assemble.project import Snapshot
from runtime.config.model.mentions import MentionEntity
from runtime.server.http.identity import error_response

LONGEST_QUERY = 200


class EntityRoutes:
    """`GET /chatkit/entities?q=…`, `GET /chatkit/entities/{id}` and `GET /chatkit/entities/{id}/preview`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def search(self, request: Request) -> Response:
        """The entities that fit what has been typed."""
        mentions = self._snapshot.mentions
        query = request.query_params.get("q", "")[:LONGEST_QUERY]
        found = await mentions.search(query, await self._snapshot.request_context(request)) if mentions else []
        return JSONResponse({"entities": [_shown(entity) for entity in found]})

    async def preview(self, request: Request) -> Response:
        """The widget that shows an entity; null where there is none."""
        entity = await self._find(request)
        if entity is None:
            return _unknown(request)
        assert self._snapshot.mentions is not None
        widget = await self._snapshot.mentions.preview(entity)
        shown = None if widget is None else widget.model_dump(mode="json", exclude_none=True)
        return JSONResponse({"preview": shown})

    async def read(self, request: Request) -> Response:
        """One entity."""
        entity = await self._find(request)
        return _unknown(request) if entity is None else JSONResponse(_shown(entity))

    async def _find(self, request: Request) -> MentionEntity | None:
        mentions = self._snapshot.mentions
        if mentions is None:
            return None
        return await mentions.get(request.path_params["id"], await self._snapshot.request_context(request))


def _unknown(request: Request) -> Response:
    return error_response(request, 404, "not_found", f"no entity {request.path_params['id']!r} is known")


def _shown(entity: MentionEntity) -> dict[str, Any]:
    """An entity as the component takes it, whose `data` holds texts alone."""
    made = entity.model_dump(exclude_none=True)
    return {**made, "data": {name: value for name, value in entity.data.items() if isinstance(value, str)}}
