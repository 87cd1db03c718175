"""What a reload changed, in the words of the file: agents, tools, widgets, models, actions, and their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.config.model import Config
from runtime.server.generations.project_source import Reading

NAMED = ("agents", "tools", "widgets", "models", "actions")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Changed:
    """Names of one section that are new, gone, or not what they were."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        signed = (("+", self.added), ("-", self.removed), ("~", self.changed))
        names = [sign + name for sign, group in signed for name in group]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return " ".join(names[:_SHOWN]) + more


@dataclass(frozen=True, slots=True)
class Changes:
    """`named` has the sections with names that changed, `sections` the other ones; `files` are relative to the root."""

    named: Mapping[str, Changed] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{section} {changed}" for section, changed in self.named.items()]
        parts += self.sections
        if self.files:
            more = f" and {len(self.files) - _SHOWN} more" if len(self.files) > _SHOWN else ""
            parts.append(f"({', '.join(self.files[:_SHOWN])}{more})")
        return ", ".join(parts).replace(", (", " (") or "nothing that it declares"

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        named = {
            section: {"added": list(c.added), "removed": list(c.removed), "changed": list(c.changed)}
            for section, c in self.named.items()
        }
        return {**named, "sections": list(self.sections), "files": list(self.files)}


def changes_between(old: Reading, new: Reading) -> Changes:
    """Compare two readings that both have a configuration."""
    before, after = old.loaded.config, new.loaded.config
    assert before is not None
    assert after is not None
    was, now = old.contents(), new.contents()
    files = tuple(sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name)))
    touched = frozenset(name for file in files for name in (file, _module_of(file)))
    named = {section: _compare(getattr(before, section), getattr(after, section), touched) for section in NAMED}
    others = [name for name in Config.model_fields if name not in NAMED]
    return Changes(
        {section: changed for section, changed in named.items() if changed},
        tuple(name for name in others if getattr(before, name) != getattr(after, name)),
        files,
    )


def _compare(old: Mapping[str, Any], new: Mapping[str, Any], touched: frozenset[str]) -> Changed:
    both = [name for name in new if name in old]
    return Changed(
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in both if old[name] != new[name] or _mentions(new[name], touched)),
    )


def _mentions(entry: Any, touched: frozenset[str]) -> bool:
    """Tell whether an entry names one of the files or modules that were touched."""
    if not touched:
        return False
    return any(text.partition(":")[0] in touched for text in _texts(entry.model_dump(mode="json")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") if file.endswith(".py") else file
