"""The verbs `serve` and `dev`: serve a project over HTTP until a signal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import __version__
from runtime.cli.display import display_path, one_line
from runtime.cli.project import from_here, print_problems, relative_to_here
from runtime.config.model.models import OpenAIModel
from runtime.config.secrets.mask import mask
from runtime.errors import ConfigError, RuntimeFault
from runtime.resources.gc_policy import startup_heap_frozen

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject
    from runtime.config.model import Config
    from runtime.diagnostics.diagnostic import Diagnostic
    from runtime.server.generations.project_source import ProjectSource
    from runtime.server.generations.reloader import ReloadOutcome
    from runtime.server.runtime import Runtime
    from runtime.server.settings import ServerSettings

_SMALL_PROJECT = 50
"""The number of agents, tools and widgets up to which a full garbage collection takes a few milliseconds."""
_DEV_HINT = """\
talk to it from another terminal:
  chatkit-runtime chat --url {url}
  curl -N {url} -H 'content-type: application/json' -d '{"type":"threads.create","params":{"input":\
{"content":[{"type":"input_text","text":"hello"}],"attachments":[],"inference_options":{}}}}'
edit a file of the project, and the next message uses it; Ctrl-C stops the server"""

Check = Callable[["Config"], str]
"""Returns the reason why a configuration must not be served, or an empty string."""


def serve_project(
    path: Path,
    *,
    host: str | None,
    port: int | None,
    access_log: bool,
    watch: bool,
    last_good: bool,
    offline: bool,
) -> int:
    """Serve the project at `path`.

    Return 1 if the config has errors, or if other machines could reach the port and nobody has to log in.
    """

    def check(config: Config) -> str:
        from runtime.server.http.loopback import is_loopback

        address = host or config.server.host
        if is_loopback(address):
            return ""
        if config.auth is None:
            return (
                f"{address!r} is reachable from other machines, and agents.yaml has no `auth:`: everyone who reaches "
                "the port could chat and read every thread (declare the users with `auth:`, see docs/guide/login.md; "
                "or listen on 127.0.0.1)"
            )
        if config.auth == "none":
            return (
                f"{address!r} is reachable from other machines, and `auth: none` serves this machine only (declare the "
                "users with `auth:`, see docs/guide/login.md; or listen on 127.0.0.1)"
            )
        return ""

    runtime = start_project(path, check, last_good=last_good, offline=offline)
    if runtime is None:
        return 1
    serve_runtime(runtime, host or runtime.config.server.host, port, access_log=access_log, watch=watch)
    return 0


def serve_locally(path: Path, *, port: int | None, last_good: bool) -> int:
    """Serve the project at `path` on loopback, with an access log; return 1 if the config has errors."""
    runtime = start_project(path, lambda config: "", last_good=last_good, offline=True, page=True)
    if runtime is None:
        return 1
    from runtime.server.http.loopback import is_loopback

    host = runtime.config.server.host
    address = host if is_loopback(host) else "127.0.0.1"
    serve_runtime(runtime, address, port, access_log=True, watch=True, local=True, after=_DEV_HINT)
    return 0


def serve_runtime(
    runtime: Runtime,
    host: str,
    port: int | None,
    *,
    access_log: bool,
    watch: bool,
    local: bool = False,
    after: str = "",
) -> None:
    """Serve a project until a signal; `local` adds the loopback checks, `after` is printed once it serves.

    `{url}` in `after` is replaced by the URL of the ChatKit endpoint. `watch` reloads the project when its files
    change; SIGHUP and `POST /-/reload` always do.
    """
    from runtime.autoreload.autoreload import enable_autoreload
    from runtime.cli.http_protocol import ConnectionGuard
    from runtime.cli.uvicorn_server import bind, run_app, url_of
    from runtime.resources.gc_policy import IdleCollector, collect_when_idle, prepare_for_serving
    from runtime.server.app import build_app
    from runtime.server.http.loopback import LoopbackOnly

    config = runtime.config
    # Bound after the project is built, so that the project's mistakes are reported before a port in use.
    with bind(host, config.server.port if port is None else port) as listener:
        url = url_of(listener, config.server.path)

        def ready() -> None:
            prepare_for_serving()
            tasks.append(asyncio.get_running_loop().create_task(collect_when_idle(collector), name="collect"))
            print(summary(runtime.generation.source.loaded, config))
            if runtime.generation.app.has_page:
                print(f"open {url_of(listener, '/')} in a browser")
            print(f"serving {url}", flush=True)
            if after:
                print(after.replace("{url}", url), flush=True)

        def is_small() -> bool:
            current = runtime.config
            return len(current.agents) + len(current.tools) + len(current.widgets) <= _SMALL_PROJECT

        collector = IdleCollector(lambda: runtime.live.in_use, lambda: runtime.generation.number, is_small)
        tasks: list[asyncio.Task[None]] = []  # the event loop holds weak references only
        show_reloads(runtime)
        app = build_app(runtime)
        enable_autoreload(app, watch=watch)
        run_app(
            LoopbackOnly(app, lambda scope: runtime.generation.app.is_client_file(scope)) if local else app,
            listener,
            ready=ready,
            access_log=access_log,
            drain=lambda: runtime.drain(runtime.config.server.grace),
            grace_s=config.server.grace,
            guard=ConnectionGuard(lambda: runtime.config.limits),
        )


def show_reloads(runtime: Runtime) -> None:
    """Print the outcome of each reload to standard error, instead of logging it: code frames, and one line."""
    from runtime.cli.report.frames import print_diagnostics
    from runtime.server.generations.reloader import log_outcome

    def show(outcome: ReloadOutcome) -> None:
        print_diagnostics(*relative_to_here(outcome.diagnostics, outcome.sources, runtime.root))
        print(f"{outcome.at.astimezone():%H:%M:%S} {one_line(outcome.summary)}", file=sys.stderr, flush=True)

    listeners = runtime.reloader.listeners
    listeners[listeners.index(log_outcome)] = show


def summary(loaded: LoadedProject, config: Config) -> str:
    """Return a few lines about the project that is going to be served; they contain no secret."""
    agents = [f"{name} (entry)" if name == config.entry_agent else name for name in config.agents]
    python = getattr(config.store, "python", None)
    rows = {
        "project": display_path(loaded.file),
        "profile": loaded.profile or "",
        "agents": ", ".join(agents),
        "model": _model(loaded, config),
        "store": f"python {python}" if python else mask(getattr(config.store, "url", "")),
        "greeting": config.chat.greeting or "",
    }
    lines = [f"  {name:<9} {value}" for name, value in rows.items() if value]
    return "\n".join([f"chatkit-runtime {__version__}", *lines])


def _model(loaded: LoadedProject, config: Config) -> str:
    name = config.agents[config.entry_agent].model
    model = config.models.get(name)
    if model is None:
        return name
    if script := offline_models(loaded, config).get(name):
        return script
    for key in ("name", "any_llm", "litellm", "scripted", "python"):
        if value := getattr(model, key, None):
            description = {"name": "", "scripted": "offline script "}.get(key, f"{key} ") + str(value)
            return f"{name}: {description}" if description != name else name
    return name


def offline_models(loaded: LoadedProject, config: Config) -> dict[str, str]:
    """Return a description of each model that has no key and uses its `offline` script, by the model's name."""
    return {
        key: f"{key}: {model.name} (no key: offline script {model.offline})"
        for key, model in config.models.items()
        if isinstance(model, OpenAIModel)
        and model.offline
        and not (model.api_key or loaded.environ.get("OPENAI_API_KEY"))
    }


@startup_heap_frozen()
def start_project(
    path: Path, check: Check, *, last_good: bool = False, offline: bool = False, page: bool = False
) -> Runtime | None:
    """Build the project in the folder or file `path`; print the reason to standard error and return None if it fails.

    Without `auth`, everybody on this machine is one user; `check` refuses that where others could reach the server.
    With `offline`, models without a key answer from their scripts. With `page`, `/` shows the chat page.

    `last_good` builds the last version that was served if the files have errors.
    """
    from runtime.server.generations.last_good import FILE, load_last_good
    from runtime.server.generations.project_source import read_project
    from runtime.server.settings import ServerSettings

    source = read_project(path.absolute(), None)
    settings = ServerSettings(local_user="default", offline=offline, always_page=page)
    runtime, diagnostics = _build(source, check, settings)
    if runtime is not None or not (last_good and diagnostics):
        return runtime
    root = source.loaded.root
    try:
        saved = load_last_good(root)
        if saved.file != source.loaded.file.name:
            raise RuntimeFault(f"{str(FILE)!r} is a version of {saved.file!r}, not of {source.loaded.file.name!r}")
    except RuntimeFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return None
    runtime, _ = _build(saved.read(root, None), check, settings)
    if runtime is not None:
        runtime.reloader.record_broken_start(source, diagnostics)
        print(
            f"\nWARNING: the files have errors: serving the project as of {saved.saved_at:%Y-%m-%d %H:%M:%S} UTC "
            "instead.\nThe next save without errors replaces it.\n",
            file=sys.stderr,
        )
    return runtime


def _build(
    source: ProjectSource, check: Check, settings: ServerSettings
) -> tuple[Runtime | None, tuple[Diagnostic, ...]]:
    """Build a project that was read; print its diagnostics, and return None and these if it can't be built."""
    from runtime.validation.python.hidden_packages import find_hidden_packages

    loaded = source.loaded
    hidden = find_hidden_packages(loaded.root, loaded.file.name)
    print_problems(from_here(replace(loaded, diagnostics=(*loaded.diagnostics, *hidden))))
    if loaded.config is None:
        return None, loaded.diagnostics
    if reason := check(loaded.config):
        print(f"error: {reason}", file=sys.stderr)
        return None, ()
    from runtime.server.runtime import build_runtime

    try:
        return build_runtime(source, None, settings), ()
    except ConfigError as error:
        print_problems(from_here(replace(source.loaded, diagnostics=tuple(error.diagnostics))))
        return None, tuple(error.diagnostics)
