"""Hot reload: notices that the project's files have changed, and lets the runtime take them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.autoreload.autoreload import keep_current, keeping_current
    from runtime.autoreload.watch_set import Watched, mounted_alone
    from runtime.autoreload.watcher import Watcher

__all__ = ["Watched", "Watcher", "keep_current", "keeping_current", "mounted_alone"]

_HOMES = {
    "Watched": "watch_set",
    "Watcher": "watcher",
    "keep_current": "autoreload",
    "keeping_current": "autoreload",
    "mounted_alone": "watch_set",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: `validate --watch` must not pay for a server."""
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime.autoreload' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"runtime.autoreload.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
