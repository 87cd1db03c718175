"""The verb `dev`: a project served to this machine alone, with a log line for each request and for each edit."""

from __future__ import annotations

from pathlib import Path

from runtime.cli.commands.serve import serve_runtime, start_project

_HINT = """\
talk to it from another terminal:
  chatkit-runtime chat --url {url}
  curl -N {url} -H 'content-type: application/json' -d '{"type":"threads.create","params":{"input":\
{"content":[{"type":"input_text","text":"hello"}],"attachments":[],"inference_options":{}}}}'
edit a file of the project, and the next message runs on it; Ctrl-C stops"""


def serve_locally(path: Path, *, port: int | None, last_good: bool) -> int:
    """Serve the project at `path` on loopback; 1 when its config has errors."""
    runtime = start_project(path, lambda config: "", last_good=last_good)
    if runtime is None:
        return 1
    from runtime.server.http.loopback import is_loopback

    host = runtime.config.server.host
    address = host if is_loopback(host) else "127.0.0.1"
    serve_runtime(runtime, address, port, access_log=True, watch=True, local=True, after=_HINT)
    return 0
