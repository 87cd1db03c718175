"""A project as its checks see it: the config, the files beside it, and the collector that the checks report to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.load import LoadedProject
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.key_path import iter_values
from runtime.static_analysis.factories import made_tool
from runtime.static_analysis.module import Modules
from runtime.static_analysis.resolver import Resolver, Symbol


@dataclass(frozen=True)
class CheckedProject:
    """A project with a config, whose folder is `root`; `environ` are its variables, those of `.env` included.

    `today` decides whether a model is still served.

    `widget_schemas` are the JSON Schemas of the widgets' data by name; the check of the widgets fills them in. `shared`
    are objects that several checks use, by their class.
    """

    config: Config
    root: Path
    files: ProjectFiles
    collector: DiagnosticCollector
    today: date
    environ: Mapping[str, str] = field(repr=False)
    widget_schemas: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    shared: dict[type, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, loaded: LoadedProject, today: date) -> CheckedProject:
        """Return what can be checked of a project, which has a config or a recovered part of one."""
        assert loaded.recovered.config is not None
        assert loaded.filled is not None
        collector = DiagnosticCollector(loaded.filled)
        return cls(loaded.recovered.config, loaded.root.resolve(), loaded.files, collector, today, loaded.environ)

    @cached_property
    def resolver(self) -> Resolver:
        """The names in the project's Python; each module is read once for all checks."""
        return Resolver(Modules.of(self.root))

    @cached_property
    def texts_in_with(self) -> frozenset[str]:
        """The texts that `with` passes to Python, such as the name of a widget that a tool shows."""
        values = iter_values(self.collector.filled.source.data)
        return frozenset(value for path, value in values if "with" in path and isinstance(value, str))

    def find_symbol(self, import_path: str) -> Symbol | None:
        """Return what an import path leads to; None where that is not certain."""
        module_name, _, attributes = import_path.partition(":")
        modules = self.resolver.modules
        module = modules.get(module_name) if modules.finder.knows(module_name) else None
        symbol = None if module is None else self.resolver.follow(module, attributes.split("."))
        return symbol if isinstance(symbol, Symbol) else None

    def find_made_tool(self, import_path: str) -> Symbol | None:
        """Return the tool that a factory makes of a function inside it; None where that is not certain."""
        factory = self.find_symbol(import_path)
        return None if factory is None else made_tool(self.resolver, factory)
