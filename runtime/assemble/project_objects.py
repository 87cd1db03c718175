"""What the project brings along by name: widgets, a context, a converter, routers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatkit.agents import AgentContext, ThreadItemConverter
from fastapi import APIRouter

from runtime.assemble.context import RuntimeContext, context_type
from runtime.assemble.problems import BuildError, Problems, ReportedError
from runtime.assemble.widgets import BuiltWidget, build_widget
from runtime.config.model import Config
from runtime.config.model.widgets import TemplateWidget
from runtime.config.project_files import ProjectFiles
from runtime.project_code.loader import ProjectCode

OwnConverter = type[ThreadItemConverter] | ThreadItemConverter | None
MixConverter = Callable[[OwnConverter], ThreadItemConverter]


class Widgets:
    """The declared widgets, and those that a tool or action names by their file."""

    def __init__(self, config: Config, files: ProjectFiles, code: ProjectCode, found: Problems) -> None:
        self.files, self.code = files, code
        self.declared = frozenset(config.widgets)
        self.built: dict[str, BuiltWidget] = {}
        for name, entry in config.widgets.items():
            with found.at("A401", "widgets", name):
                self.built[name] = build_widget(name, entry, files, code.resolve)

    def get(self, name: str) -> BuiltWidget:
        """Return the widget of that name or file. Raise BuildError, ReportedError."""
        if name not in self.built:
            if name in self.declared:
                raise ReportedError
            if not name.endswith((".widget", ".json")):
                raise BuildError(f"no widget is named {name!r}")
            self.built[name] = build_widget(name, TemplateWidget(template=name), self.files, self.code.resolve)
        return self.built[name]


class Objects:
    """The project's own objects that the file names: contexts, converters, routers."""

    def __init__(self, code: ProjectCode, found: Problems) -> None:
        self.code, self.found = code, found

    def function(self, path: str | None, *at: str | int) -> Callable[..., Any] | None:
        """Return a function that the file names at that path in it."""
        if path is None:
            return None
        with self.found.at("A310", *at):
            value = self.code.resolve(path)
            if not callable(value):
                raise BuildError(f"{path!r} is {type(value).__name__}", "give a function of the request", code="A324")
            return value  # type: ignore[no-any-return]  # callable: checked above
        return None

    def context_class(self, config: Config) -> type[RuntimeContext]:
        """Return RuntimeContext, the project's own class mixed in where there is one."""
        if config.context_class is not None:
            with self.found.at("A311", "context_class"):
                value = self.code.resolve(config.context_class)
                if not isinstance(value, type) or not issubclass(value, AgentContext):
                    message = f"{config.context_class!r} is no subclass of chatkit.agents.AgentContext"
                    raise BuildError(message, "derive it from runtime.RuntimeContext", code="A324")
                return context_type(value)
        return context_type(None)

    def converter(self, config: Config, mix: MixConverter) -> ThreadItemConverter:
        """Return the converter that `mix` makes of the project's own, or of none."""
        if config.converter is not None:
            with self.found.at("A312", "converter"):
                value = self.code.resolve(config.converter)
                is_class = isinstance(value, type) and issubclass(value, ThreadItemConverter)
                if not is_class and not isinstance(value, ThreadItemConverter):
                    raise BuildError(f"{config.converter!r} is no chatkit.agents.ThreadItemConverter", code="A324")
                return mix(value)
        return mix(None)

    def routers(self, config: Config) -> tuple[APIRouter, ...]:
        """Return the project's own routers, in the order of the file."""
        routers: list[APIRouter] = []
        for index, path in enumerate(config.routes):
            with self.found.at("A313", "routes", index):
                value = self.code.resolve(path)
                if not isinstance(value, APIRouter):
                    raise BuildError(f"{path!r} is {type(value).__name__}, not a fastapi.APIRouter", code="A324")
                routers.append(value)
        return tuple(routers)
