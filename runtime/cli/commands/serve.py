"""The verb `serve`: a project over HTTP, until a signal comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import __version__
from runtime.cli.project import display_path, from_here, report
from runtime.config.model.models import OpenAIModel
from runtime.config.secrets.patterns import mask_secret_patterns
from runtime.errors import ConfigError, RuntimeFault

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject
    from runtime.config.model import Config
    from runtime.diagnostics.diagnostic import Diagnostic
    from runtime.server.generations.project_source import ProjectSource
    from runtime.server.runtime import Runtime


_SMALL_PROJECT = 50
"""Agents, tools and widgets up to which a full collection takes a few milliseconds."""


def serve_project(
    path: Path,
    *,
    host: str | None,
    port: int | None,
    allow_unauthenticated: bool,
    access_log: bool,
    watch: bool,
    last_good: bool,
) -> int:
    """Serve the project at `path`; 1 when its config has errors or anybody could reach a server without a login."""

    def check(config: Config) -> str:
        from runtime.server.http.loopback import is_loopback

        address = host or config.server.host
        if allow_unauthenticated or is_loopback(address):
            return ""
        return (
            f"{address!r} is reachable from other machines, and this version has no login: whoever reaches the port "
            "may chat and read every thread (listen on 127.0.0.1; or put a proxy that checks who it is in front and "
            "say --allow-unauthenticated)"
        )

    runtime = start_project(path, check, last_good=last_good)
    if runtime is None:
        return 1
    serve_runtime(runtime, host or runtime.config.server.host, port, access_log=access_log, watch=watch)
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

    `{url}` in `after` stands for the address of ChatKit's endpoint, `{base}` for the server's. `watch` reloads the
    project when its files change; SIGHUP and `POST /-/reload` do so in any case.
    """
    from runtime.autoreload import keep_current
    from runtime.cli.listen import bind, run_app, url_of
    from runtime.cli.report.reloads import show_reloads
    from runtime.resources.gc_policy import IdleCollector, collect_when_idle, prepare_for_serving
    from runtime.server.http.app import build_app
    from runtime.server.http.loopback import LoopbackOnly

    config = runtime.config
    # Bound after the project is built: its own mistakes are worth more than the news of a busy port.
    with bind(host, config.server.port if port is None else port) as listener:
        url, base = url_of(listener, config.server.path), url_of(listener)

        def ready() -> None:
            prepare_for_serving()
            tasks.append(asyncio.get_running_loop().create_task(collect_when_idle(collector), name="collect"))
            print(summary(runtime.generation.source.loaded, config))
            print(f"serving {url}", flush=True)
            if after:
                print(after.replace("{url}", url).replace("{base}", base), flush=True)

        collector = IdleCollector(
            lambda: runtime.live.in_use, lambda: runtime.generation.number, lambda: _is_small(runtime.config)
        )
        tasks: list[asyncio.Task[None]] = []  # the event loop does not hold on to its tasks
        show_reloads(runtime)
        app = build_app(runtime)
        keep_current(app, watch=watch)
        run_app(
            LoopbackOnly(app) if local else app,
            listener,
            ready=ready,
            access_log=access_log,
            drain=lambda: runtime.drain(runtime.config.server.grace),
            grace_s=config.server.grace,
        )


def summary(loaded: LoadedProject, config: Config) -> str:
    """What is about to be served, in a few lines; no secret is in it."""
    agents = [f"{name} (entry)" if name == config.entry_agent else name for name in config.agents]
    rows = {
        "project": display_path(loaded.file),
        "profile": loaded.profile or "",
        "agents": ", ".join(agents),
        "model": _model(loaded, config),
        "store": _store(config),
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
        value = getattr(model, key, None)
        if value:
            kind = {"name": "", "scripted": "offline script "}.get(key, f"{key} ")
            return f"{name}: {kind}{value}" if f"{kind}{value}" != name else name
    return name


def offline_models(loaded: LoadedProject, config: Config) -> dict[str, str]:
    """The models that answer from a script because they have no key, by their name, each in words."""
    return {
        key: f"{key}: {model.name} (no key: offline script {model.offline})"
        for key, model in config.models.items()
        if isinstance(model, OpenAIModel)
        and model.offline
        and not (model.api_key or loaded.environ.get("OPENAI_API_KEY"))
    }


def _store(config: Config) -> str:
    python = getattr(config.store, "python", None)
    return f"python {python}" if python else mask_secret_patterns(getattr(config.store, "url", ""))


# Load and build a project in order to serve it, or start from what is kept of it since it last served.

Check = Callable[["Config"], str]


def start_project(path: Path, check: Check, *, last_good: bool = False) -> Runtime | None:
    """Build the project in the folder or file `path`; None after the reason was printed to standard error.

    `check` gives the reason why a configuration must not be served, or an empty text. `last_good` starts from what
    served last when the files are broken.
    """
    from runtime.resources.gc_policy import startup_heap_frozen

    with startup_heap_frozen():
        return _start(path, check, last_good)


def _start(path: Path, check: Check, last_good: bool) -> Runtime | None:
    from runtime.server.generations.last_good import FILE, load_last_good
    from runtime.server.generations.project_source import read_project

    source = read_project(path.absolute(), None)
    runtime, mistakes = _build(source, check)
    if runtime is not None or not (last_good and mistakes):
        return runtime
    root = source.loaded.root
    try:
        kept = load_last_good(root)
        if kept.file != source.loaded.file.name:
            raise RuntimeFault(f"what is kept in {str(FILE)!r} is of {kept.file!r}, not of {source.loaded.file.name!r}")
    except RuntimeFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return None
    runtime, _ = _build(kept.read(root, None), check)
    if runtime is not None:
        runtime.reloader.record_broken_start(source, mistakes)
        print(
            f"\nWARNING: the files are broken: serving the project as it was on {kept.saved_at:%Y-%m-%d %H:%M:%S} UTC "
            "instead.\nThe first save that is right takes over.\n",
            file=sys.stderr,
        )
    return runtime


def _build(source: ProjectSource, check: Check) -> tuple[Runtime | None, tuple[Diagnostic, ...]]:
    """Build what was read; None, and the mistakes that it has, where that can't be."""
    report(from_here(source.loaded))
    if source.loaded.config is None:
        return None, source.loaded.diagnostics
    if reason := check(source.loaded.config):
        print(f"error: {reason}", file=sys.stderr)
        return None, ()
    from runtime.server.runtime import build_runtime

    try:
        return build_runtime(source), ()
    except ConfigError as error:
        report(from_here(replace(source.loaded, diagnostics=tuple(error.diagnostics))))
        return None, tuple(error.diagnostics)


def _is_small(config: Config) -> bool:
    return len(config.agents) + len(config.tools) + len(config.widgets) <= _SMALL_PROJECT
