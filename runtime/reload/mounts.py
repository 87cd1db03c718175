"""Files that no edit by rename ever reaches: those mounted into a container one by one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_MOUNTINFO = "/proc/self/mountinfo"
_MOUNT_POINT = 4  # the fifth field, see proc_pid_mountinfo(5)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def mounted_alone(files: Iterable[Path], mountinfo: str | None = None) -> list[Path]:
    """Return the files that are mount points of their own, sorted: a Kubernetes `subPath`, one file of `docker -v`.

    Such a mount holds on to the file that it was made from: what replaces that file outside is never seen inside.
    `mountinfo` is the text of Linux's /proc/self/mountinfo, which is read when it is not given; without it, as on
    other systems, there are none.
    """
    if mountinfo is None:
        try:
            mountinfo = Path(_MOUNTINFO).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
    lines = [line.split(" ") for line in mountinfo.split("\n")]
    points = {_unescape(fields[_MOUNT_POINT]) for fields in lines if len(fields) > _MOUNT_POINT}
    return sorted(file for file in files if os.path.isfile(file) and os.path.realpath(file) in points)


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
