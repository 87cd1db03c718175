"""`validate --base` compares agents.yaml with an earlier version, with which stored threads and open pages began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.load import LoadedProject, load_config
from runtime.config.model import Config
from runtime.config.model.models import OpenAIModel
from runtime.config.model.tools import ClientTool, EffectTool
from runtime.config.model.widgets import WidgetAction
from runtime.config.project_files import ProjectFiles
from runtime.config.secrets.mask import mask, mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity, has_errors, sort_diagnostics
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.json_schema.checks import narrowings

_LIKE_ITS_OLD_NAME = 0.6
_LIKE_THE_ONLY_ONE = 0.4
_OLD_PAGES = "open pages have the old code"
_OLD_CARDS = "cards in old threads stay as they are"
_OLD_BUTTONS = "buttons of stored cards will say that they do nothing any more"


def check_changes(loaded: LoadedProject, base: Path) -> list[Diagnostic]:
    """Return how changes since `base`, a file or folder, affect stored threads; empty if the project has errors.

    The files that the base names are read beside it, or in the project's folder, where the base was copied from there.
    """
    if loaded.config is None or loaded.filled is None:
        return []
    before = _load_base(loaded, base)
    if before.config is None:
        return mask_diagnostics([_unreadable(loaded, before, base)], loaded.secrets | before.secrets)
    collector = DiagnosticCollector(loaded.filled)
    comparison = _Comparison(before, loaded, before.config, loaded.config, collector, str(base))
    for compare in (_removed, _browser_tools, _schemas, _store, _entry, _models, _limits):
        compare(comparison)
    return mask_diagnostics(sort_diagnostics(collector.diagnostics), loaded.secrets | before.secrets)


def _load_base(loaded: LoadedProject, base: Path) -> LoadedProject:
    if base.is_dir():
        return load_config(base, environ=loaded.environ)
    try:
        content = base.read_bytes()  # once: it may be a pipe
    except OSError:
        return load_config(base, environ=loaded.environ)
    beside = base.parent.absolute()
    tries = [ProjectFiles(folder, contents={base.name: content}) for folder in (beside, loaded.root.absolute())]
    results = [load_config(base, environ=loaded.environ, files=files) for files in tries]
    return next((result for result in results if result.config is not None), results[0])


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

    def narrowed(
        self, code: str, path: KeyPath, noun: str, before: Any, now: Any, hint: str, severity: Severity = "warning"
    ) -> None:
        """Report the first certain narrowing of a schema, or else the first one."""
        changes = sorted(narrowings(before, now), key=lambda narrowing: not narrowing.certain)
        if changes and changes[0].certain:
            self.report(code, path, f"{noun} refuses what it took before: {changes[0]}", hint, severity=severity)
        elif changes:
            self.report(code, path, f"{noun} may refuse what it took before: {changes[0]}", hint, severity="note")

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


# The code of a removed entry by its section, the noun for the entry, and the consequence.
_REMOVED: Mapping[str, tuple[str, str, str, Severity]] = {
    # The entry agent answers next, with the whole history.
    "agents": ("A701", "agent", "its threads go on with the agent that answers first", "note"),
    "widgets": ("A703", "widget", _OLD_CARDS, "note"),
    "actions": ("A704", "action", _OLD_BUTTONS, "warning"),
}


def _removed(change: _Comparison) -> None:
    for section, (code, noun, consequence, severity) in _REMOVED.items():
        was, now = getattr(change.old, section), getattr(change.new, section)
        for name in (name for name in was if name not in now):
            message = f"the {noun} {name!r} is gone"
            change.lost(code, (section, name), message, consequence, severity, _renamed(name, was, now))


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
        key = _browser_key(tool)
        called, called_before = getattr(tool, key), getattr(before, _browser_key(before))
        if called != called_before:
            message = f"the tool {name!r} calls {called!r} in the browser, and no longer {called_before!r}"
            change.report("A702", ("tools", name, key), message, f"{_OLD_PAGES}, which has no {called!r}")
        else:
            path: KeyPath = ("tools", name, "parameters")
            change.narrowed("A702", path, f"the tool {name!r}", before.parameters, tool.parameters, _OLD_PAGES)


def _offered(config: Config) -> dict[str, ClientTool | EffectTool]:
    used = {name for agent in config.agents.values() for name in agent.tools}
    tools = ((name, tool) for name, tool in config.tools.items() if name in used)
    return {name: tool for name, tool in tools if isinstance(tool, ClientTool | EffectTool)}


def _browser_key(tool: ClientTool | EffectTool) -> str:
    return "client" if isinstance(tool, ClientTool) else "effect"


def _schemas(change: _Comparison) -> None:
    rendered = {action.widget for action in change.new.actions.values() if isinstance(action, WidgetAction)}
    for name, widget in change.new.widgets.items():
        if before := change.old.widgets.get(name):
            # The payload of an old button becomes the data of the new widget.
            severity: Severity = "warning" if name in rendered else "note"
            hint = _OLD_BUTTONS if name in rendered else _OLD_CARDS
            path: KeyPath = ("widgets", name, "data")
            change.narrowed("A703", path, f"the widget {name!r}", before.data, widget.data, hint, severity)
    for name, action in change.new.actions.items():
        if was := change.old.actions.get(name):
            path = ("actions", name, "payload")
            change.narrowed("A704", path, f"the action {name!r}", was.payload, action.payload, _OLD_BUTTONS)


def _store(change: _Comparison) -> None:
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
    model = config.models.get(name)
    if model is None:
        return name
    if isinstance(model, OpenAIModel):
        return model.name + (f" at {mask(model.base_url)}" if model.base_url else "")
    keys = ("any_llm", "litellm", "scripted", "python")
    return next(str(value) for key in keys if (value := getattr(model, key, None)))


_LIMITS: Mapping[KeyPath, tuple[str, Severity]] = {
    ("chat", "history", "items"): ("the model sees less of long threads", "note"),
    ("chat", "history", "tokens"): ("the model sees less of long threads", "note"),
    ("limits", "body"): ("requests that were fine are refused", "warning"),
    ("limits", "message"): ("messages that were fine are refused", "warning"),
}
_HISTORY = {
    "tool_results": (
        "the results of tools are no longer in view",
        "the model forgets what tools have told in threads that are open",
    ),
    "summary": (
        "what falls out of the history is no longer summed up",
        "the model forgets the beginning of long threads that are open",
    ),
}


def _limits(change: _Comparison) -> None:
    for path, (consequence, severity) in _LIMITS.items():
        read = attrgetter(".".join(map(str, path)))
        was, now = int(read(change.old)), int(read(change.new))
        if now < was:
            change.report("A708", path, f"{path[-1]!r} is {now}, and was {was}", consequence, severity=severity)
    for key, (message, hint) in _HISTORY.items():
        if getattr(change.old.chat.history, key) and not getattr(change.new.chat.history, key):
            change.report("A708", ("chat", "history", key), message, hint, severity="note")
