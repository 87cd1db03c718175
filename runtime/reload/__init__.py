"""Hot reload: notices that the project's files have changed, and lets the runtime take them over."""

from runtime.reload.footprint import Watched
from runtime.reload.keeping import keep_current, keeping_current
from runtime.reload.mounts import mounted_alone
from runtime.reload.watcher import Watcher

__all__ = ["Watched", "Watcher", "keep_current", "keeping_current", "mounted_alone"]
