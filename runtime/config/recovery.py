"""What can still be checked of a file whose shape is wrong, so that one run reports the wrong names as well.

Whatever the models refuse is taken out, or replaced by something of the right shape where others refer to it by name.
Only errors about what is left count: an unused tool may be used by the line that was taken out.
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
# Other entries name these: the name must stay.
_STAND_INS: dict[str, Any] = {
    "models": "x",
    "tools": {"python": "x:x"},
    "widgets": {"template": {}},
    "actions": {"message": "x"},
}
_NAMED = (*_STAND_INS, "agents", "entry")
# Found only because something was taken out.
_FOLLOWS = {"A202", "A212"}


@dataclass(frozen=True, slots=True)
class RecoveredConfig:
    """What is left of a config when the mistakes of shape are taken out: None where that is too little.

    `taken` are the paths of what was taken out or replaced.
    """

    config: Config | None = None
    taken: frozenset[KeyPath] = frozenset()

    def applies(self, found: Diagnostic) -> bool:
        """Tell whether a diagnostic about the rest is one about the file, too."""
        if not self.taken:
            return True
        if found.severity != "error" or found.code in _FOLLOWS:
            return False
        return not any(
            found.path == text or found.path.startswith((f"{text}.", f"{text}[")) for text in map(path_text, self.taken)
        )


def recover_config(filled: Interpolation, files: ProjectFiles) -> tuple[RecoveredConfig, list[Diagnostic]]:
    """Return what is left when the mistakes of shape are taken out, and the errors that the cross-checks find in it."""
    data, taken = filled.source.data, set[KeyPath]()
    for _ in range(_MAX_ROUNDS):
        try:
            config = Config.model_validate(data)
        except ValidationError as error:
            paths = {_to_take(problem["loc"]) for problem in error.errors(include_url=False, include_context=False)}
            if None in paths:
                return RecoveredConfig(), []
            for path in sorted(filter(None, paths), key=len):
                data = _without(data, path)
                taken.add(path)
        else:
            recovered = RecoveredConfig(config, frozenset(taken))
            return recovered, [found for found in check_config(config, filled, files) if recovered.applies(found)]
    return RecoveredConfig(), []


def _to_take(location: tuple[str | int, ...]) -> KeyPath | None:
    """The smallest part that can be taken out; None where too much would go with it."""
    section = location[0] if location else None
    if section in _STAND_INS:
        return location[:2] if len(location) > 1 else None
    if section == "agents":
        return location[:3] if len(location) > 1 else None
    # A section under a misspelt name would leave its names undeclared.
    return None if section is None or nearest(str(section), _NAMED) else (str(section),)


def _without(data: Any, path: KeyPath) -> Any:
    if not isinstance(data, dict):
        return data
    if len(path) == 1:
        return {**data, "version": 1} if path == ("version",) else {k: v for k, v in data.items() if k != path[0]}
    section, name = path[0], path[1]
    entries = data.get(section)
    if not isinstance(entries, dict) or name not in entries:
        return data
    entry = _STAND_INS.get(str(section), {})
    if section == "agents" and len(path) > 2 and isinstance(entries[name], dict):
        entry = {key: value for key, value in entries[name].items() if key != path[2]}
    return {**data, section: {**entries, name: entry}}
