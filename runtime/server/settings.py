"""Times and sizes of the server that no configuration declares: constants in production, shorter in tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Durations are in seconds."""

    ping_s: float = 15.0
    """Silence after which a stream sends an SSE comment, so that proxies keep the connection open."""
    files_stable_s: float = 0.1
    """How long the project's files must not change before a reload uses them: half a YAML file is usually valid."""
    max_unread_events: int = 100
    """Reload events that are queued for one reader of `/-/events`; the oldest is dropped beyond that."""


DEFAULT_SETTINGS = ServerSettings()
