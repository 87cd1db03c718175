"""What `validate --connect` tries beyond the build: whatever serving opens, and what it would reach for later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime.config.source import Path
from runtime.diagnostics import Diagnostic
from runtime.server.endpoints import probe_models
from runtime.server.mcp_endpoints import probe_servers
from runtime.server.runtime import Runtime
from runtime.server.trial import failure
from runtime.stores.store import StoreError

Probe = Callable[[Runtime], Awaitable[list[Diagnostic]]]

PROBES: tuple[Probe, ...] = (probe_models, probe_servers)
"""What is asked of the world outside, all at the same time."""


async def try_connections(runtime: Runtime) -> list[Diagnostic]:
    """Open what serving opens, ask what it needs, and close everything; return what is wrong."""
    try:
        results = await asyncio.gather(_open(runtime), *(probe(runtime) for probe in PROBES))
    finally:
        await runtime.close(grace_s=1.0)
    return [found for result in results for found in result]


async def _open(runtime: Runtime) -> list[Diagnostic]:
    try:
        await runtime.open()
    except Exception as error:
        path: Path = ("store",) if isinstance(error, StoreError) or not runtime.config.routes else ("routes",)
        return [failure("the project can't be opened", error, runtime.generation.reading, path)]
    return []
