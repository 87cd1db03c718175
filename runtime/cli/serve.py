"""The verb `serve`: a project over HTTP, until a signal comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import __version__
from runtime.cli.project import display_path
from runtime.cli.start import start_project
from runtime.config.model.models import OpenAIModel
from runtime.config.tokens import hide_tokens

if TYPE_CHECKING:
    from runtime.config.load import Loaded
    from runtime.config.model import Config
    from runtime.server.runtime import Runtime


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
        from runtime.server.loopback import is_loopback

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
    from runtime.cli.listen import bind, run_app, url_of
    from runtime.cli.reloads import show_reloads
    from runtime.reload import keep_current
    from runtime.server.app import build_app
    from runtime.server.collecting import collect_at_rest
    from runtime.server.loopback import LoopbackOnly
    from runtime.server.warm import settle

    config = runtime.config
    # Bound after the project is built: its own mistakes are worth more than the news of a busy port.
    with bind(host, config.server.port if port is None else port) as listener:
        url, base = url_of(listener, config.server.path), url_of(listener)

        def ready() -> None:
            settle()
            tasks.append(asyncio.get_running_loop().create_task(collect_at_rest(runtime), name="collect"))
            print(summary(runtime.generation.reading.loaded, config))
            print(f"serving {url}", flush=True)
            if after:
                print(after.replace("{url}", url).replace("{base}", base), flush=True)

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


def summary(loaded: Loaded, config: Config) -> str:
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


def _model(loaded: Loaded, config: Config) -> str:
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


def offline_models(loaded: Loaded, config: Config) -> dict[str, str]:
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
    return f"python {python}" if python else hide_tokens(getattr(config.store, "url", ""))
