"""Error recovery: drop what the models reject, so that the cross-checks still run on the rest of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from runtime.config.model import Config
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, path_text

_MAX_ROUNDS = 5
# Other entries refer to these by name: an entry is replaced by a valid one, so that its name stays declared.
_REPLACEMENTS: Mapping[str, Any] = {
    "models": "x",
    "tools": {"python": "x:x"},
    "mcp": {"url": "http://x"},
    "widgets": {"template": {}},
    "guardrails": {"regex": "x"},
    "actions": {"message": "x"},
    "agents": {},
    "state": "x:x",
}
# Errors that may be reported only because something in these sections was dropped.
_CONSEQUENCES: Mapping[str, frozenset[str]] = {
    "A202": frozenset({"entry"}),
    "A212": frozenset({"models", "defaults", "agents"}),
    "A224": frozenset({"chat"}),
    "A225": frozenset({"agents", "defaults", "entry"}),
    "A228": frozenset({"agents", "defaults", "tools"}),
}
# Errors about a name of these sections: unknown if the whole section was dropped.
_NAMES_OF: Mapping[str, frozenset[str]] = {
    "A203": frozenset({"tools", "mcp"}),
    "A207": frozenset({"widgets"}),
    "A208": frozenset({"widgets"}),
    "A227": frozenset({"guardrails"}),
}
# Errors about an entry that lacks something, which may be what was dropped of it.
_INCOMPLETE = frozenset({"A251", "A255"})
_UNKNOWN_KEY = "extra_forbidden"


@dataclass(frozen=True, slots=True)
class RecoveredConfig:
    """A config without its invalid parts, at the key paths `dropped`; `config` is None if too little is left.

    `data` is what it was made from: checks that compare the two must not find in one what the other lacks.
    """

    config: Config | None = None
    dropped: frozenset[KeyPath] = frozenset()
    data: Any = field(default=None, repr=False, compare=False)

    def applies(self, diagnostic: Diagnostic) -> bool:
        """Return whether a diagnostic about this config is also true of the file."""
        if not self.dropped:
            return True
        sections = {path[0] for path in self.dropped}
        if diagnostic.code == "A202" and not sections <= Config.model_fields.keys():
            return False  # an unknown key may be meant as `entry`
        whole = {path[0] for path in self.dropped if len(path) == 1}
        if whole & _NAMES_OF.get(diagnostic.code, frozenset()):
            return False
        if diagnostic.code in _INCOMPLETE and any(
            each.startswith(f"{diagnostic.path}.") for each in map(path_text, self.dropped)
        ):
            return False
        if diagnostic.severity != "error" or sections & _CONSEQUENCES.get(diagnostic.code, frozenset()):
            return False
        return not any(
            diagnostic.path == text or diagnostic.path.startswith((f"{text}.", f"{text}["))
            for text in map(path_text, self.dropped)
        )


def recover_config(data: Any) -> RecoveredConfig:
    """Return the config of what is right in the data."""
    dropped: set[KeyPath] = set()
    for _ in range(_MAX_ROUNDS):
        try:
            config = Config.model_validate(data)
        except ValidationError as error:
            paths = {_droppable(data, each) for each in error.errors(include_url=False, include_context=False)}
            if () in paths or paths <= dropped:
                return RecoveredConfig()
            for path in sorted(paths, key=len):
                data = _without(data, path)
                dropped.add(path)
        else:
            return RecoveredConfig(config, frozenset(dropped), data)
    return RecoveredConfig()


def _droppable(data: Any, problem: Mapping[str, Any]) -> KeyPath:
    """Return the key path of the smallest part that can be dropped; () if too much would go with it."""
    path = _path_in(data, problem["loc"])
    if problem["type"] == _UNKNOWN_KEY or len(path) < 2:
        return path if path != ("agents",) else ()
    if isinstance(path[1], int):
        return path[:1]
    return path[:3] if path[0] == "agents" and len(path) > 2 else path[:2]


def _path_in(data: Any, location: tuple[str | int, ...]) -> KeyPath:
    """Return the path in the data: pydantic inserts the tags of unions."""
    path: list[str | int] = []
    for step in location:
        is_item = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if is_item or (isinstance(data, dict) and step in data):
            data = data[step]
        elif path or step not in ("version", "agents"):
            continue
        path.append(step)
    return tuple(path)


def _without(data: Any, path: KeyPath) -> Any:
    """Return the data without the part at a path, or with a valid entry in place of one that has a name."""
    if isinstance(data, list):
        return [_without(item, path[1:]) if index == path[0] else item for index, item in enumerate(data)]
    if not isinstance(data, dict) or path[0] not in data:
        return {**data, "version": 1} if path == ("version",) and isinstance(data, dict) else data
    first = str(path[0])
    if len(path) == 1:
        return {**data, "version": 1} if first == "version" else {k: v for k, v in data.items() if k != first}
    if len(path) == 2 and first in _REPLACEMENTS and isinstance(data[first], dict):
        return {**data, first: {**data[first], path[1]: _REPLACEMENTS[first]}}
    return {**data, first: _without(data[first], path[1:])}
