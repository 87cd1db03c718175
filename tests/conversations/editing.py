"""Edit a project that is served."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from typing import Any

from runtime.server.generations.reloader import ReloadOutcome
from tests.conversations.conftest import Chat, file_name


def write(client: Chat, config: Mapping[str, Any] | None = None, **files: str) -> None:
    """Write agents.yaml (what is not given stays) and other files, the way `chat` made them."""
    file = client.folder / "agents.yaml"
    if config is not None:
        file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    for key, text in files.items():
        path = client.folder / file_name(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


async def edit(
    client: Chat, config: Mapping[str, Any] | None = None, *, explicit: bool = True, **files: str
) -> ReloadOutcome:
    """Write, and reload."""
    write(client, config, **files)
    return await client.runtime.reload(explicit=explicit)


async def reloaded(client: Chat, config: Mapping[str, Any] | None = None, **files: str) -> ReloadOutcome:
    """Write, and reload; the edit must take effect."""
    outcome = await edit(client, config, **files)
    assert outcome.status == "reloaded", outcome
    return outcome


async def drained(client: Chat) -> None:
    """Wait until unused generations are closed and collected."""
    await client.runtime.live.wait_closed()
    gc.collect()
