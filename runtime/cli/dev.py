"""The verb `dev`: a project served to this machine alone, with a log line for each request."""

from __future__ import annotations

from pathlib import Path

from runtime.cli.project import load_project, report
from runtime.cli.serve import serve_loaded

_HINT = """\
talk to it from another terminal:
  chatkit-runtime chat --url {url}
  curl -N {url} -H 'content-type: application/json' -d '{"type":"threads.create","params":{"input":\
{"content":[{"type":"input_text","text":"hello"}],"attachments":[],"inference_options":{}}}}'
Ctrl-C stops; after an edit start it again (this version does not reload)"""


def serve_locally(path: Path, *, port: int | None) -> int:
    """Serve the project at `path` on loopback; 1 when its config has errors."""
    loaded = load_project(path, unset="error")
    report(loaded)
    if loaded.config is None:
        return 1
    from runtime.server.loopback import is_loopback

    host = loaded.config.server.host
    serve_loaded(loaded, host if is_loopback(host) else "127.0.0.1", port, access_log=True, local=True, after=_HINT)
    return 0
