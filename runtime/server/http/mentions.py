"""The routes of mentions: what users may mention with `@`, and its previews."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runtime.assemble.project import Snapshot
from runtime.config.model.chat import MentionEntity
from runtime.server.http.responses import OwnResponse, error_response

MAX_QUERY_LENGTH = 200


class MentionRoutes:
    """`GET /chatkit/entities?q=…`, `GET /chatkit/entities/{id}` and `GET /chatkit/entities/{id}/preview`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    async def search(self, request: Request) -> Response:
        """Return the entities that match the query."""
        mentions = self._snapshot.mentions
        query = request.query_params.get("q", "")[:MAX_QUERY_LENGTH]
        entities = await mentions.search(query, await self._snapshot.request_context(request)) if mentions else []
        return OwnResponse({"entities": [_entity_data(entity) for entity in entities]})

    async def preview(self, request: Request) -> Response:
        """Return the widget that previews an entity, or null if it has none."""
        entity = await self._find(request)
        if entity is None:
            return _not_found(request)
        assert self._snapshot.mentions is not None
        widget = await self._snapshot.mentions.preview(entity)
        data = None if widget is None else widget.model_dump(mode="json", exclude_none=True)
        return OwnResponse({"preview": data})

    async def read(self, request: Request) -> Response:
        """Return one entity."""
        entity = await self._find(request)
        return _not_found(request) if entity is None else OwnResponse(_entity_data(entity))

    async def _find(self, request: Request) -> MentionEntity | None:
        mentions = self._snapshot.mentions
        if mentions is None:
            return None
        return await mentions.get(request.path_params["id"], await self._snapshot.request_context(request))


def _not_found(request: Request) -> Response:
    return error_response(request, 404, "not_found", f"entity {request.path_params['id']!r} not found")


def _entity_data(entity: MentionEntity) -> dict[str, Any]:
    """Return the entity as the web component takes it: its `data` may contain only strings."""
    data = {name: value for name, value in entity.data.items() if isinstance(value, str)}
    return {**entity.model_dump(exclude_none=True), "data": data}
