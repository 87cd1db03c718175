"""The child process: a server that reloads, started as its users start it.

It ends when its stdin does: a parent that dies takes it along.
"""

from __future__ import annotations

import sys

from benchmarks.serve import HANDWRITTEN, end_with_parent


def main(kind: str, folder: str) -> None:
    """Serve `handwritten` with `uvicorn --reload`, or what the folder declares with `chatkit-runtime serve`."""
    end_with_parent()
    # Each process imports its own side alone, and nothing before it is needed.
    if kind == HANDWRITTEN:
        from uvicorn.main import main as run_uvicorn

        options = ["--reload", "--reload-dir", folder, "--app-dir", folder, "--port", "0", "--no-access-log"]
        run_uvicorn(["app:app", *options])
        return
    from runtime.__main__ import main as run_runtime

    sys.argv = ["chatkit-runtime", "serve", folder, "--port", "0"]
    sys.exit(run_runtime())


if __name__ == "__main__":
    main(*sys.argv[1:])
