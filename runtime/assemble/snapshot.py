"""A `Config` becomes a frozen `Snapshot`: everything that a request needs, built once, replaced as a whole."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import Agent, ImageGenerationTool, RunConfig
from chatkit.agents import AgentContext, ThreadItemConverter
from chatkit.store import Store

from runtime.assemble.actions import BuiltAction, build_actions
from runtime.assemble.agents import AgentShells
from runtime.assemble.code import ProjectCode
from runtime.assemble.context import RuntimeContext, context_type
from runtime.assemble.models import Models, build_models, run_config
from runtime.assemble.problems import BuildError, Problem, Problems, ReportedError
from runtime.assemble.title import WriteTitle, build_title
from runtime.assemble.tools import BuiltTool, Tools, build_tools
from runtime.assemble.widgets import BuiltWidget, build_widget
from runtime.config.model import Config
from runtime.config.model.server import PythonStore
from runtime.config.model.widgets import TemplateWidget

OwnConverter = type[ThreadItemConverter] | ThreadItemConverter | None
MixConverter = Callable[[OwnConverter], ThreadItemConverter]
_generations = itertools.count(1)


class BuildFailed(Exception):
    """The project could not be built; `problems` holds every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One generation: the objects that its configuration declares."""

    config: Config
    root: Path
    generation: int
    code: ProjectCode
    models: Models
    tools: Mapping[str, BuiltTool]
    widgets: Mapping[str, BuiltWidget]
    agents: Mapping[str, Agent[RuntimeContext]]
    actions: Mapping[str, BuiltAction]
    state: Mapping[str, Any]
    context_type: type[RuntimeContext]
    build_context: Callable[[Any], Any] | None
    converter: ThreadItemConverter
    routers: tuple[Any, ...]
    own_store: Store[Any] | None
    write_title: WriteTitle | None
    run_config: RunConfig
    partial_images: int | None

    @property
    def entry(self) -> Agent[RuntimeContext]:
        """The agent that answers."""
        return self.agents[self.config.entry_agent]

    async def request_context(self, request: Any) -> Any:
        """What tools see as `ctx.context.request_context`: what `context:` makes of the request."""
        if self.build_context is None:
            return {"request": request}
        made = self.build_context(request)
        return await made if isinstance(made, Awaitable) else made

    async def close(self) -> None:
        """Release what the generation opened."""
        await self.models.close()


def build(config: Config, root: Path, environ: Mapping[str, str], mix_converter: MixConverter) -> Snapshot:
    """Build everything that the configuration declares. Raise BuildFailed with every problem at once.

    `environ` are the environment's variables; `mix_converter` makes the converter of the project's own, if it has one.
    """
    found = Problems()
    code = ProjectCode(root)
    widgets = _Widgets(config, root, code, found)
    models = build_models(config, root, code, environ, found)
    shells = AgentShells(config)
    tools = Tools(code, widgets.get, shells.as_tool)
    build_tools(config, tools, found)
    shells.fill(root, code, models, tools, found)
    objects = _Objects(code, found)
    snapshot = Snapshot(
        config=config,
        root=root,
        generation=next(_generations),
        code=code,
        models=models,
        tools=tools.built,
        widgets=widgets.built,
        agents=shells.agents,
        actions=build_actions(config, code, widgets.get, found),
        state=objects.state(config),
        context_type=objects.context_class(config),
        build_context=objects.function(config.context, "context"),
        converter=mix_converter(objects.converter(config)),
        routers=objects.routers(config),
        own_store=objects.store(config),
        write_title=_title(config, models, code, found),
        run_config=run_config(),
        partial_images=_partial_images(tools.built),
    )
    if found.found:
        code.discard()
        raise BuildFailed(found.found)
    return snapshot


class _Widgets:
    """The declared widgets, and those that a tool or action names by their file."""

    def __init__(self, config: Config, root: Path, code: ProjectCode, found: Problems) -> None:
        self.root, self.code = root, code
        self.declared = frozenset(config.widgets)
        self.built: dict[str, BuiltWidget] = {}
        for name, entry in config.widgets.items():
            with found.at("A401", "widgets", name):
                self.built[name] = build_widget(name, entry, root, code.resolve)

    def get(self, name: str) -> BuiltWidget:
        if name not in self.built:
            if name in self.declared:
                raise ReportedError
            if not name.endswith((".widget", ".json")):
                raise BuildError(f"no widget is named {name!r}")
            self.built[name] = build_widget(name, TemplateWidget(template=name), self.root, self.code.resolve)
        return self.built[name]


class _Objects:
    """The project's own objects that the file names: contexts, converters, routers, state, a store."""

    def __init__(self, code: ProjectCode, found: Problems) -> None:
        self.code, self.found = code, found

    def function(self, path: str | None, *at: str | int) -> Callable[..., Any] | None:
        if path is None:
            return None
        with self.found.at("A310", *at):
            value = self.code.resolve(path)
            if not callable(value):
                raise BuildError(f"{path!r} is {type(value).__name__}", "give a function of the request")
            return value  # type: ignore[no-any-return]  # callable: checked above
        return None

    def context_class(self, config: Config) -> type[RuntimeContext]:
        if config.context_class is not None:
            with self.found.at("A311", "context_class"):
                value = self.code.resolve(config.context_class)
                if not isinstance(value, type) or not issubclass(value, AgentContext):
                    raise BuildError(f"{config.context_class!r} is no subclass of chatkit.agents.AgentContext")
                return context_type(value)
        return context_type(None)

    def converter(self, config: Config) -> OwnConverter:
        if config.converter is None:
            return None
        with self.found.at("A312", "converter"):
            value = self.code.resolve(config.converter)
            is_class = isinstance(value, type) and issubclass(value, ThreadItemConverter)
            if not is_class and not isinstance(value, ThreadItemConverter):
                raise BuildError(f"{config.converter!r} is no chatkit.agents.ThreadItemConverter")
            return value  # type: ignore[no-any-return]  # checked above
        return None

    def routers(self, config: Config) -> tuple[Any, ...]:
        from fastapi import APIRouter

        routers: list[Any] = []
        for index, path in enumerate(config.routes):
            with self.found.at("A313", "routes", index):
                value = self.code.resolve(path)
                if not isinstance(value, APIRouter):
                    raise BuildError(f"{path!r} is {type(value).__name__}, not a fastapi.APIRouter")
                routers.append(value)
        return tuple(routers)

    def state(self, config: Config) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for name, path in config.state.items():
            with self.found.at("A314", "state", name):
                if hasattr(RuntimeContext, name) or name in RuntimeContext.model_fields:
                    raise BuildError(f"{name!r} would hide what ctx.context.{name} is already", "choose another name")
                value = self.code.resolve(path)
                makes = isinstance(value, type) or inspect.isfunction(value)
                state[name] = value() if makes else value
        return state

    def store(self, config: Config) -> Store[Any] | None:
        if not isinstance(config.store, PythonStore):
            return None
        with self.found.at("A315", "store"):
            value = self.code.resolve(config.store.python)
            if not isinstance(value, Store):
                value = value(**config.store.with_)
            if not isinstance(value, Store):
                raise BuildError(f"{config.store.python!r} gave {type(value).__name__}, not a chatkit.store.Store")
            return value
        return None


def _title(config: Config, models: Models, code: ProjectCode, found: Problems) -> WriteTitle | None:
    with found.at("A602", "chat", "title"):
        return build_title(config.chat.title, models, code)
    return None


def _partial_images(tools: Mapping[str, BuiltTool]) -> int | None:
    """How many unfinished images a generation shows, so that its progress can be told."""
    configs = [built.tool.tool_config for built in tools.values() if isinstance(built.tool, ImageGenerationTool)]
    return max((config.get("partial_images") or 0 for config in configs), default=0) or None
