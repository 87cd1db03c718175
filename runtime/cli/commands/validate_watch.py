"""`validate --watch`: check a project again whenever one of its files changes, until Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from runtime.autoreload.file_events import FileEvents
from runtime.autoreload.watch_set import Watched
from runtime.cli.checking import Depth, check_path
from runtime.cli.exit_codes import report_error
from runtime.cli.project import display_path
from runtime.cli.report.frames import wants_colour
from runtime.cli.report.text import draw_report
from runtime.cli.terminal.plain import one_line
from runtime.config.load import CONFIG_FILE

_POLL_S = 2.0
_ALIVE_S = 0.5


def watch_projects(projects: Sequence[Path], depth: Depth, *, strict: bool) -> NoReturn:
    """Print a report of each project now, and of one that changes then; ends with Ctrl-C alone."""
    stop, turn = threading.Event(), threading.Lock()
    watches = [_Watch(path, depth, strict, stop, turn) for path in projects]
    threads = [threading.Thread(target=watch.run, name=f"watch {watch.path}", daemon=True) for watch in watches]
    try:
        for thread in threads:
            thread.start()
        # On Windows nothing interrupts a wait without an end.
        while not stop.wait(_ALIVE_S):
            pass
        raise RuntimeError("the watching ended by itself")
    finally:
        stop.set()
        for thread in threads:
            thread.join(_ALIVE_S)


class _Watch:
    """Watches one project, in a thread of its own; of all of them one at a time has its `turn` to check and print."""

    def __init__(self, path: Path, depth: Depth, strict: bool, stop: threading.Event, turn: threading.Lock) -> None:
        self.path = path
        self._depth = depth
        self._strict = strict
        self._stop = stop
        self._turn = turn
        self._file = path / CONFIG_FILE if path.is_dir() else path
        self._watched = Watched(self._file.absolute().parent, frozenset([self._file.absolute()]))
        self._printed = ""

    def run(self) -> None:
        events = FileEvents(_POLL_S, self._stop)
        try:
            # Each look comes before a check, so that a change during it shows in the next one.
            events.look(self._watched)
            is_due = True
            while not self._stop.is_set():
                if is_due:
                    self._check(says_so=True)
                    # A file that the check found only now counts as changed.
                    while events.look(self._watched) and not self._stop.is_set():
                        self._check(says_so=False)
                is_due = events.wait()
                is_due |= events.look(self._watched)
        finally:
            events.close()

    def _check(self, *, says_so: bool) -> None:
        """Check the project and print the result: always when it `says_so`, else only when it is another one."""
        with self._turn:
            try:
                report = check_path(self.path, self._depth)
            except Exception as error:
                self._printed = ""
                print(self._header(), flush=True)
                report_error(error, debug=bool(os.environ.get("CHATKIT_DEBUG")))
                return
            self._watched = Watched(self._watched.root, report.files, report.patterns)
            colour = wants_colour(sys.stdout)
            text = draw_report(report, strict=self._strict, building=self._depth.build, colour=colour)
            if says_so or text != self._printed:
                self._printed = text
                print(f"{self._header()}\n{text}", flush=True)

    def _header(self) -> str:
        return f"{datetime.now():%H:%M:%S} {one_line(display_path(self._file))}"
