"""Compare two versions of a project: which agents, tools, widgets, models, actions, sections and files differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.config.model import Config
from runtime.server.generations.project_source import ProjectSource

_NAMED_SECTIONS = ("agents", "tools", "widgets", "models", "actions")
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """The names of one section that were added, removed or changed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        signed = (("+", self.added), ("-", self.removed), ("~", self.changed))
        return _shortened([sign + name for sign, group in signed for name in group], " ")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload changed.

    `named` has the changes of the sections whose entries have names, `sections` the names of other sections that
    changed; `files` are paths from the project folder.
    """

    named: Mapping[str, SectionChanges] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{section} {changes}" for section, changes in self.named.items()]
        text = ", ".join([*parts, *self.sections])
        if self.files:
            text = f"{text} ({_shortened(self.files, ', ')})".lstrip()
        return text or "no declaration"

    def as_json(self) -> dict[str, Any]:
        """Return the changes as JSON data: `{section: {"added": [], …}, …, "sections": [], "files": []}`."""
        named = {
            section: {kind: list(names) for kind, names in asdict(changes).items()}
            for section, changes in self.named.items()
        }
        return {**named, "sections": list(self.sections), "files": list(self.files)}


def compare_sources(old: ProjectSource, new: ProjectSource) -> Changes:
    """Compare two sources that both have a configuration."""
    before, after = old.loaded.config, new.loaded.config
    assert before is not None
    assert after is not None
    old_contents, new_contents = old.contents(), new.contents()
    names = old_contents.keys() | new_contents.keys()
    files = tuple(sorted(name for name in names if old_contents.get(name) != new_contents.get(name)))
    touched = frozenset(name for file in files for name in (file, _module_name(file)))
    named = {
        section: _compare(getattr(before, section), getattr(after, section), touched) for section in _NAMED_SECTIONS
    }
    others = [name for name in Config.model_fields if name not in _NAMED_SECTIONS]
    return Changes(
        {section: changes for section, changes in named.items() if changes},
        tuple(name for name in others if getattr(before, name) != getattr(after, name)),
        files,
    )


def _compare(old: Mapping[str, Any], new: Mapping[str, Any], touched: frozenset[str]) -> SectionChanges:
    both = [name for name in new if name in old]
    return SectionChanges(
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in both if old[name] != new[name] or _refers_to(new[name], touched)),
    )


def _refers_to(entry: Any, touched: frozenset[str]) -> bool:
    """Return whether an entry names one of these files or modules."""
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


def _module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") if file.endswith(".py") else file


def _shortened(names: Sequence[str], separator: str) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return separator.join(names[:_MOST_SHOWN]) + more
