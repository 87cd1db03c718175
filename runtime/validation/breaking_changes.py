"""Breaking changes: `validate --base` compares agents.yaml with an earlier version.

Stored threads outlive the file that they began with: buttons of old cards, pending calls in a browser, open pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.load import LoadedProject, load_config
from runtime.config.model import Config
from runtime.config.model.models import OpenAIModel
from runtime.config.model.tools import ClientTool, EffectTool
from runtime.config.model.widgets import WidgetAction
from runtime.config.secrets.mask import mask, mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity, has_errors, sort_diagnostics
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.json_schema.checks import Narrowing, narrowings

_LIKE_ITS_OLD_NAME = 0.6
_LIKE_THE_ONLY_ONE = 0.4
_OLD_PAGES = "open pages have the old code"
_OLD_BUTTONS = "buttons of stored cards will say that they do nothing any more"


def check_changes(loaded: LoadedProject, base: Path) -> list[Diagnostic]:
    """Return how the changes since `base`, the earlier agents.yaml or its folder, affect stored threads.

    Empty if the project itself has errors.
    """
    if loaded.config is None or loaded.filled is None:
        return []
    before = load_config(base, environ=loaded.environ)
    if before.config is None:
        return mask_diagnostics([_unreadable(loaded, before, base)], loaded.secrets | before.secrets)
    comparison = _Comparison(
        before, loaded, before.config, loaded.config, DiagnosticCollector(loaded.filled), str(base)
    )
    for compare in (_agents, _browser_tools, _widgets, _actions, _store, _entry, _models, _limits):
        compare(comparison)
    diagnostics = sort_diagnostics(comparison.collector.diagnostics)
    return mask_diagnostics(diagnostics, loaded.secrets | before.secrets)


def _unreadable(loaded: LoadedProject, before: LoadedProject, base: Path) -> Diagnostic:
    errors = [each for each in before.diagnostics if has_errors([each])]
    first = errors[0]
    where = f"line {first.place.line}: " if first.place.line else ""
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    message = f"the base {str(base)!r} can't be compared with: {where}{first.message}{more}"
    return Diagnostic("A709", message, Place(loaded.file.name), hint="give one that 'validate' finds no errors in")


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two versions of a project, as loaded (`before` and `now`), and their configs (`old` and `new`)."""

    before: LoadedProject
    now: LoadedProject
    old: Config
    new: Config
    collector: DiagnosticCollector
    base: str

    def report(
        self, code: str, path: KeyPath, message: str, hint: str, *, severity: Severity = "warning", at_key: bool = False
    ) -> None:
        """Report at `path` in the new file, or at its nearest parent."""
        written = self.now.places.written(path)
        place = None if written else Place(self.now.file.name)
        self.collector.report(code, path, message, hint, severity=severity, at_key=at_key, place=place)

    def gone(self, code: str, section: str, noun: str, consequence: str, severity: Severity = "warning") -> None:
        """Report the removed entries of a section."""
        was, now = getattr(self.old, section), getattr(self.new, section)
        for name in (name for name in was if name not in now):
            message = f"the {noun} {name!r} is gone"
            self.lost(code, (section, name), message, consequence, severity, _renamed(name, was, now))

    def lost(
        self, code: str, path: KeyPath, message: str, consequence: str, severity: Severity, became: str | None
    ) -> None:
        """Report a removed entry; the hint has its old place, and its probable new name."""
        hint = f"it was at {self.was_at(path)}; {consequence}"
        if became:
            hint += f"; if {became!r} is the same one, let it keep its name"
        self.report(code, path, message, hint, severity=severity, at_key=True)

    def was_at(self, path: KeyPath) -> str:
        """Return the place of a key in the base."""
        places = self.before.places
        place = places.key(path)
        file = self.base if Path(self.base).name == place.file else f"{self.base.rstrip('/')}/{place.file}"
        return f"{file}:{place.line}" if places.written(path) == path else file


def _renamed(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return the probable new name of an entry: the same value under a new name, or a similar name."""
    lost, fresh = [key for key in was if key not in now], [key for key in now if key not in was]
    if same := [key for key in fresh if now[key] == was[name]]:
        return same[0]
    if len(lost) == 1 and len(fresh) == 1:
        return nearest(name, fresh, _LIKE_THE_ONLY_ONE)
    near = nearest(name, fresh, _LIKE_ITS_OLD_NAME)
    return near if near is not None and nearest(near, lost, _LIKE_ITS_OLD_NAME) == name else None


def _agents(change: _Comparison) -> None:
    # The entry agent answers next, with the whole history.
    change.gone("A701", "agents", "agent", "its threads go on with the agent that answers first", "note")


def _browser_tools(change: _Comparison) -> None:
    """Compare tools that run in the browser: a call may wait there, and an open page has the old code."""
    old, new = _offered(change.old), _offered(change.new)
    for name in (name for name in old if name not in new):
        message = f"no agent has the tool {name!r} of the browser any more"
        calls = "results that browsers still send for it will be answered with a notice"
        waits = isinstance(old[name], ClientTool)
        severity: Severity = "warning" if waits else "note"
        consequence = calls if waits else "open pages wait for it without a result"
        change.lost("A702", ("tools", name), message, consequence, severity, _renamed(name, old, new))
    for name, tool in new.items():
        before = old.get(name)
        if before is None:
            continue
        key, called, called_before = _browser_name(tool), *map(_called, (tool, before))
        if called != called_before:
            message = f"the tool {name!r} calls {called!r} in the browser, and no longer {called_before!r}"
            change.report("A702", ("tools", name, key), message, f"{_OLD_PAGES}, which has no {called!r}")
        elif narrowed := _first(narrowings(before.parameters, tool.parameters)):
            _narrowed(change, "A702", ("tools", name, "parameters"), f"the tool {name!r}", narrowed, _OLD_PAGES)


def _offered(config: Config) -> dict[str, ClientTool | EffectTool]:
    """Return the browser tools of the agents, by name."""
    used = {name for agent in config.agents.values() for name in agent.tools}
    return {
        name: tool for name, tool in config.tools.items() if isinstance(tool, ClientTool | EffectTool) and name in used
    }


def _browser_name(tool: ClientTool | EffectTool) -> str:
    return "client" if isinstance(tool, ClientTool) else "effect"


def _called(tool: ClientTool | EffectTool) -> str:
    return str(getattr(tool, _browser_name(tool)))


def _widgets(change: _Comparison) -> None:
    change.gone("A703", "widgets", "widget", "cards in old threads stay as they are", "note")
    renders = {action.widget: name for name, action in change.new.actions.items() if isinstance(action, WidgetAction)}
    for name, widget in change.new.widgets.items():
        before = change.old.widgets.get(name)
        if before is None or not (narrowed := _first(narrowings(before.data, widget.data))):
            continue
        # The payload of an old button becomes the data of the new widget.
        by_action = name in renders
        hint = _OLD_BUTTONS if by_action else "cards in old threads stay as they are"
        severity: Severity = "warning" if by_action else "note"
        _narrowed(change, "A703", ("widgets", name, "data"), f"the widget {name!r}", narrowed, hint, severity)


def _actions(change: _Comparison) -> None:
    change.gone("A704", "actions", "action", _OLD_BUTTONS)
    for name, action in change.new.actions.items():
        before = change.old.actions.get(name)
        if before is not None and (narrowed := _first(narrowings(before.payload, action.payload))):
            _narrowed(change, "A704", ("actions", name, "payload"), f"the action {name!r}", narrowed, _OLD_BUTTONS)


def _narrowed(
    change: _Comparison,
    code: str,
    path: KeyPath,
    noun: str,
    narrowed: Narrowing,
    hint: str,
    severity: Severity = "warning",
) -> None:
    if narrowed.certain:
        change.report(code, path, f"{noun} refuses what it took before: {narrowed}", hint, severity=severity)
    else:
        change.report(code, path, f"{noun} may refuse what it took before: {narrowed}", hint, severity="note")


def _first(changes: Iterator[Narrowing]) -> Narrowing | None:
    """Return the first certain narrowing, or else the first."""
    every = list(changes)
    return next((one for one in every if one.certain), every[0] if every else None)


def _store(change: _Comparison) -> None:
    """Report another store, or another path of the ChatKit endpoint."""
    was, now = _address_of(change.old), _address_of(change.new)
    if was != now:
        message = f"the threads are kept in {now!r}, and no longer in {was!r}"
        hint = f"threads stay behind in the old store: nobody sees them any more; it was at {change.was_at(('store',))}"
        change.report("A705", ("store",), message, hint)
    if change.old.server.path != change.new.server.path:
        message = f"ChatKit is served at {change.new.server.path!r}, and no longer at {change.old.server.path!r}"
        change.report("A705", ("server", "path"), message, "pages ask at the old path until they are changed, too")


def _address_of(config: Config) -> str:
    python, url = getattr(config.store, "python", None), getattr(config.store, "url", "")
    # The store stays the same with another password.
    return str(python) if python else mask(url)


def _entry(change: _Comparison) -> None:
    was, now = change.old.entry_agent, change.new.entry_agent
    if was != now:
        path: KeyPath = ("entry",) if change.new.entry else ("agents", now)
        hint = f"threads that are open go on with it, too; it was at {change.was_at(('entry',))}"
        message = f"the agent {now!r} answers first, and no longer {was!r}"
        change.report("A706", path, message, hint, severity="note", at_key=not change.new.entry)


def _models(change: _Comparison) -> None:
    reported: set[KeyPath] = set()
    for key, agent in change.new.agents.items():
        before = change.old.agents.get(key)
        if before is None:
            continue
        was, now = _model_of(change.old, before.model), _model_of(change.new, agent.model)
        is_declared = agent.model == before.model and agent.model in change.new.models
        path: KeyPath = ("models", agent.model) if is_declared else ("agents", key, "model")
        if was != now and path not in reported:
            reported.add(path)
            who = f"the model {agent.model!r} is" if is_declared else f"the agent {key!r} answers with"
            hint = "threads that are open go on with it: what was said stays in view, what was thought does not"
            change.report("A707", path, f"{who} {now!r}, and no longer {was!r}", hint, severity="note")


def _model_of(config: Config, name: str) -> str:
    """Return the model that a name means, and its endpoint."""
    model = config.models.get(name)
    if model is None:
        return name
    if isinstance(model, OpenAIModel):
        return model.name + (f" at {mask(model.base_url)}" if model.base_url else "")
    keys = ("any_llm", "litellm", "scripted", "python")
    return next(str(value) for key in keys if (value := getattr(model, key, None)))


def _limits(change: _Comparison) -> None:
    """Report lower limits of the history and of requests."""
    seen: Mapping[KeyPath, str] = {
        ("chat", "history", "items"): "the model sees less of long threads",
        ("chat", "history", "tokens"): "the model sees less of long threads",
        ("limits", "body"): "requests that were fine are refused",
        ("limits", "message"): "messages that were fine are refused",
    }
    for path, consequence in seen.items():
        was, now = _value(change.old, path), _value(change.new, path)
        if now < was:
            severity: Severity = "note" if path[0] == "chat" else "warning"
            change.report("A708", path, f"{path[-1]!r} is {now}, and was {was}", consequence, severity=severity)
    if change.old.chat.history.tool_results and not change.new.chat.history.tool_results:
        message = "the results of tools are no longer in view"
        hint = "the model forgets what tools have told in threads that are open"
        change.report("A708", ("chat", "history", "tool_results"), message, hint, severity="note")
    if change.old.chat.history.summary is not None and change.new.chat.history.summary is None:
        message = "what falls out of the history is no longer summed up"
        hint = "the model forgets the beginning of long threads that are open"
        change.report("A708", ("chat", "history", "summary"), message, hint, severity="note")


def _value(config: Config, path: KeyPath) -> int:
    value: Any = config
    for step in path:
        value = getattr(value, str(step))
    return int(value)
