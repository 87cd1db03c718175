"""Hot reload: notices that the project's files have changed, and lets the runtime take them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.reload.footprint import Watched
    from runtime.reload.keeping import keep_current, keeping_current
    from runtime.reload.mounts import mounted_alone
    from runtime.reload.watcher import Watcher

__all__ = ["Watched", "Watcher", "keep_current", "keeping_current", "mounted_alone"]

_HOMES = {
    "Watched": "footprint",
    "Watcher": "watcher",
    "keep_current": "keeping",
    "keeping_current": "keeping",
    "mounted_alone": "mounts",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: `validate --watch` must not pay for a server."""
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime.reload' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"runtime.reload.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
