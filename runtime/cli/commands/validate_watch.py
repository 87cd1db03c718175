"""`validate --watch`: check a project each time one of its files changes, until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from runtime.autoreload.file_events import FileEvents
from runtime.autoreload.watch_set import ProjectPaths
from runtime.cli.checking import Depth, check_path
from runtime.cli.display import display_path, one_line, wants_colour
from runtime.cli.exit_codes import report_error
from runtime.cli.report.frames import draw_report
from runtime.config.load import CONFIG_FILE
from runtime.errors import RuntimeFault

_POLL_S = 2.0
_WAKE_S = 0.5


def watch_projects(projects: Sequence[Path], depth: Depth, *, strict: bool) -> NoReturn:
    """Print a report of each project, and another each time one changes; only Ctrl-C ends it."""
    stop, printing = threading.Event(), threading.Lock()
    watches = [_Watch(path, depth, strict, stop, printing) for path in projects]
    threads = [threading.Thread(target=watch.run, name=f"watch {watch.path}", daemon=True) for watch in watches]
    try:
        for thread in threads:
            thread.start()
        # On Windows, Ctrl-C does not interrupt a wait without a timeout.
        while not stop.wait(_WAKE_S):
            pass
        raise RuntimeFault("watching ended unexpectedly")
    finally:
        stop.set()
        for thread in threads:
            thread.join(_WAKE_S)


class _Watch:
    """Watches one project in its own thread; the lock `printing` lets one project at a time check and print."""

    def __init__(self, path: Path, depth: Depth, strict: bool, stop: threading.Event, printing: threading.Lock) -> None:
        self.path = path
        self._depth = depth
        self._strict = strict
        self._stop = stop
        self._printing = printing
        self._file = path / CONFIG_FILE if path.is_dir() else path
        self._paths = ProjectPaths(self._file.absolute().parent, frozenset([self._file.absolute()]))
        self._printed = ""

    def run(self) -> None:
        events = FileEvents(_POLL_S, self._stop)
        try:
            # Scan before each check, so that the next scan sees a change that happens during the check.
            events.scan(self._paths)
            is_due = True
            while not self._stop.is_set():
                if is_due:
                    self._check(always_prints=True)
                    # A file that the check read for the first time counts as changed.
                    while events.scan(self._paths) and not self._stop.is_set():
                        self._check(always_prints=False)
                is_due = events.wait()
                is_due |= events.scan(self._paths)
        finally:
            events.close()

    def _check(self, *, always_prints: bool) -> None:
        """Check the project and print the report, if it differs from the last one or `always_prints`."""
        with self._printing:
            try:
                report = check_path(self.path, self._depth)
            except Exception as error:
                self._printed = ""
                print(self._header(), flush=True)
                report_error(error, sys.argv[1:])
                return
            self._paths = ProjectPaths(self._paths.root, report.files, report.patterns)
            colour = wants_colour(sys.stdout)
            text = draw_report(report, strict=self._strict, building=self._depth.build, colour=colour)
            if always_prints or text != self._printed:
                self._printed = text
                print(f"{self._header()}\n{text}", flush=True)

    def _header(self) -> str:
        return f"{datetime.now():%H:%M:%S} {one_line(display_path(self._file))}"
