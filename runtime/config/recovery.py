"""Error recovery: drop what fails the schema, so that cross-checks still run on the rest.

An entry that others refer to by name is replaced by a valid one, so that its name stays declared. Only errors about
the remaining data are reported: a tool that seems unused may be used by a line that was dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from runtime.config.cross_checks import check_config
from runtime.config.model import Config
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import nearest
from runtime.documents.variables import Interpolation

_MAX_ROUNDS = 3
# Other entries refer to these by name: the name must stay declared.
_REPLACEMENTS: dict[str, Any] = {
    "models": "x",
    "tools": {"python": "x:x"},
    "widgets": {"template": {}},
    "actions": {"message": "x"},
}
_REFERENCED = (*_REPLACEMENTS, "agents", "entry")
# Reported only because something was dropped.
_CONSEQUENCES = {"A202", "A212"}


@dataclass(frozen=True, slots=True)
class RecoveredConfig:
    """A config without its invalid parts; `config` is None if too little is left.

    `dropped` are the key paths of the parts that were removed or replaced.
    """

    config: Config | None = None
    dropped: frozenset[KeyPath] = frozenset()

    def applies(self, diagnostic: Diagnostic) -> bool:
        """Return whether a diagnostic about this config is also true of the file."""
        if not self.dropped:
            return True
        if diagnostic.severity != "error" or diagnostic.code in _CONSEQUENCES:
            return False
        return not any(
            diagnostic.path == text or diagnostic.path.startswith((f"{text}.", f"{text}["))
            for text in map(path_text, self.dropped)
        )


def recover_config(filled: Interpolation, files: ProjectFiles) -> tuple[RecoveredConfig, list[Diagnostic]]:
    """Drop the invalid parts of a config; return the remaining config and the errors of its cross-checks."""
    data, dropped = filled.source.data, set[KeyPath]()
    for _ in range(_MAX_ROUNDS):
        try:
            config = Config.model_validate(data)
        except ValidationError as error:
            paths = {_droppable(problem["loc"]) for problem in error.errors(include_url=False, include_context=False)}
            if None in paths:
                return RecoveredConfig(), []
            for path in sorted(filter(None, paths), key=len):
                data = _without(data, path)
                dropped.add(path)
        else:
            recovered = RecoveredConfig(config, frozenset(dropped))
            return recovered, [each for each in check_config(config, filled, files) if recovered.applies(each)]
    return RecoveredConfig(), []


def _droppable(location: tuple[str | int, ...]) -> KeyPath | None:
    """Return the key path of the smallest part that can be dropped; None if too much would go with it."""
    section = location[0] if location else None
    if section in _REPLACEMENTS:
        return location[:2] if len(location) > 1 else None
    if section == "agents":
        return location[:3] if len(location) > 1 else None
    # A section with a misspelt name declares the names that others refer to.
    return None if section is None or nearest(str(section), _REFERENCED) else (str(section),)


def _without(data: Any, path: KeyPath) -> Any:
    if not isinstance(data, dict):
        return data
    if len(path) == 1:
        return {**data, "version": 1} if path == ("version",) else {k: v for k, v in data.items() if k != path[0]}
    section, name = path[0], path[1]
    entries = data.get(section)
    if not isinstance(entries, dict) or name not in entries:
        return data
    entry = _REPLACEMENTS.get(str(section), {})
    if section == "agents" and len(path) > 2 and isinstance(entries[name], dict):
        entry = {key: value for key, value in entries[name].items() if key != path[2]}
    return {**data, section: {**entries, name: entry}}
