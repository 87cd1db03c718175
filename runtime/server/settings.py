"""Settings of the server that no configuration declares: times and sizes, and what a command or the caller decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runtime.config.model import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Durations are in seconds."""

    ping_s: float = 15.0
    """Silence after which a stream sends an SSE comment, so that proxies keep the connection open."""
    title_wait_s: float = 5.0
    """How long a finished answer keeps its stream open for a title that is still being written."""
    busy_wait_s: float = 60.0
    """How long a message waits for the turn before it, where `chat.when_busy` is `wait`."""
    lease_s: float = 10.0
    """How long the lease of a turn lasts without being renewed: the threads of a process that has died wait for it."""
    renew_s: float = 1.0
    """How often the leases of running turns are renewed; a turn that was stopped at another process ends as late."""
    partial_every_s: float = 0.16
    """How long what a running turn produces may wait to be stored; a crash loses at most as much."""
    keep_events_s: float = 60.0
    """How long a client can still read the rest of a turn that has ended while it was away."""
    poll_s: float = 0.25
    """How often a request polls for the end of a turn of another process; PostgreSQL notifies it earlier."""
    storing_s: float = 3.0
    """How long turns that the server ends may take to store what they have produced."""
    files_stable_s: float = 0.1
    """How long the project's files must not change before a reload uses them: half a YAML file is usually valid."""
    local_user: Literal["declared", "default", "always"] = "declared"
    """Which projects serve everybody on this machine as one user: those with `auth: none`; also those without `auth`;
    or all, also those whose users log in."""
    always_page: bool = False
    """Whether `/` shows the chat page of every project, also of those without `server.page`."""
    ready_s: float = 2.0
    """How long `/ready` waits for the store."""
    max_unsent: int = 8 * 1024 * 1024
    """Bytes of an answer that wait for a client to read them; then the client is disconnected."""
    offline: bool = False
    """Whether a model without a key may answer from its `offline` script; otherwise the missing key is an error."""
    max_unread_events: int = 100
    """Reload events that are queued for one reader of `/-/events`; the oldest is dropped beyond that."""

    def has_local_user(self, config: Config) -> bool:
        """Return whether the one local user sends all requests, and nobody logs in."""
        if config.auth is None:
            return self.local_user != "declared"
        return config.auth == "none" or self.local_user == "always"


DEFAULT_SETTINGS = ServerSettings()
