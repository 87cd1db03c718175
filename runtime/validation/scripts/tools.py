"""The tools that a script may call: by which names the agents that play it know them, and what each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.cross_checks import transfer_name
from runtime.config.model.agents import Agent
from runtime.config.model.tools import PythonTool, Tool, WidgetTool
from runtime.config.openapi_documents import operation_names
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.validation.python.import_paths import Use
from runtime.validation.python.tools import own_name
from runtime.validation.subject import Subject


@dataclass(frozen=True, slots=True)
class AgentTools:
    """An agent's tools: the references by the names that the model sees, the names of its handoffs' tools.

    `all_known` is False where Python may give a tool another name; `is_filled`, where a variable is missing, or what
    is named is not there.
    """

    references: Mapping[str, str]
    handoffs: Mapping[str, str]
    all_known: bool
    is_filled: bool

    @property
    def names(self) -> set[str]:
        """All names that the agent can call, as far as they are known."""
        return {*self.references, *self.handoffs}


@dataclass(slots=True)
class ScriptTools:
    """Looks tools up for the scripts of one project; its Python is read when the first tool needs it."""

    subject: Subject
    _resolver: Resolver | None = None
    _schemas: dict[str, dict[str, Any]] | None = None
    _found: dict[str, Symbol | None] = field(default_factory=dict)

    def of(self, agent: Agent) -> AgentTools:
        """Return what an agent can call."""
        references: dict[str, str] = {}
        all_known = is_filled = True
        for reference in agent.tools:
            is_filled = is_filled and "${" not in reference
            operations = operation_names(self.subject.config, self.subject.files, reference)
            if operations is not None:
                references |= dict.fromkeys(operations, reference)
                continue
            if reference in self.subject.config.tools:
                entry = self.subject.config.tools[reference]
                references[getattr(entry, "hosted", None) or reference] = reference
                continue
            if ":" not in reference:
                is_filled = False  # nothing is declared by that name, which is told where it stands
                continue
            symbol = self.python(reference)
            name = own_name(symbol) if symbol is not None and symbol.kind in ("function", "tool") else ""
            all_known = all_known and bool(name)
            references[name or reference.rpartition(":")[2].rpartition(".")[2]] = reference
        is_filled = is_filled and all(handoff.agent in self.subject.config.agents for handoff in agent.handoffs)
        handoffs = {transfer_name(self.name_of(handoff.agent)): handoff.agent for handoff in agent.handoffs}
        return AgentTools(references, handoffs, all_known and is_filled, is_filled)

    def name_of(self, key: str) -> str:
        """Return the name under which an agent is handed over to."""
        agent = self.subject.config.agents.get(key)
        return (agent.name if agent is not None else None) or key

    def declared(self, reference: str) -> Tool:
        """Return what the file says of a tool that an agent names, or the path itself."""
        return self.subject.config.tools.get(reference) or PythonTool.model_construct(python=reference)

    def python(self, path: str) -> Symbol | None:
        """Return what an import path leads to, or None where that is not certain."""
        if path not in self._found:
            self._found[path] = self._follow(path) if ":" in path else None
        return self._found[path]

    @property
    def resolver(self) -> Resolver:
        """The names in the project's Python."""
        if self._resolver is None:
            from runtime.static_analysis.module import Modules

            self._resolver = Resolver(Modules.of(self.subject.root))
        return self._resolver

    def _follow(self, path: str) -> Symbol | None:
        use = Use(path, (), "tool")
        module = self.resolver.modules.get(use.module) if self.resolver.modules.finder.knows(use.module) else None
        found = None if module is None else self.resolver.follow(module, use.attributes)
        return found if isinstance(found, Symbol) else None

    def schema(self, tool: WidgetTool) -> dict[str, Any] | None:
        """Return the schema of the data that a widget takes, or None where it takes anything."""
        if self._schemas is None:
            from runtime.validation.widgets.views import read_views

            # What is wrong with the widgets themselves is told where they are checked.
            aside = replace(self.subject, found=DiagnosticCollector(self.subject.found.filled))
            views = [view for view in read_views(aside) if not view.broken]
            self._schemas = {view.name: view.data.value for view in views if isinstance(view.data.value, dict)}
        return self._schemas.get(tool.widget)
