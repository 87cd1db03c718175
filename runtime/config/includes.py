"""Merges several files into one configuration: first the files of `include`, by section, then a profile.

Nodes and data are copied before they change: an anchor may share them with other parts of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.config.project_files import ProjectFiles, is_pattern
from runtime.config.schema import MAIN_ONLY
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.documents.document import Node, Source, read_yaml
from runtime.documents.variables import interpolate

PROFILE_VARIABLE = "CHATKIT_PROFILE"


def add_included(source: Source, files: ProjectFiles, environ: Mapping[str, str]) -> Source:
    """Return `source` with the sections of every file that its `include` names; errors are in its diagnostics."""
    patterns = source.data.get("include") if isinstance(source.data, dict) else None
    if source.diagnostics or not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
        return source
    # Mistakes in variables are reported once, when those of the whole file are substituted.
    names = interpolate(replace(source, data={"include": patterns}), environ).source.data["include"]
    merged = _MergedSource(source, *_copied(source.places.root, source.data))
    for index, pattern in enumerate(names):
        for part in merged.read_parts(files, pattern, ("include", index)):
            merged.add(part)
    places = replace(source.places, root=merged.root, lines={**source.places.lines, **merged.lines})
    diagnostics = tuple(merged.diagnostics)
    return replace(source, data=merged.data, places=places, included=merged.texts, diagnostics=diagnostics)


def apply_profile(source: Source, name: str) -> Source:
    """Return `source` with the profile `name` applied as a JSON merge patch (RFC 7396); `profiles` does not change."""
    profiles = source.data.get("profiles", {}) if isinstance(source.data, dict) else None
    if has_errors(source.diagnostics) or not isinstance(profiles, dict):
        return source
    if name not in profiles:
        return replace(source, diagnostics=(*source.diagnostics, _no_profile(source, name, profiles)))
    if not isinstance(profiles[name], dict):
        return source
    root, data = _copied(source.places.root, source.data)
    patch = {key: value for key, value in profiles[name].items() if key not in MAIN_ONLY and not key.startswith("x-")}
    _apply_patch(root, data, root.children["profiles"].children[name], patch, source.file)
    return replace(source, data=data, places=replace(source.places, root=root))


def _no_profile(source: Source, name: str, profiles: Iterable[str]) -> Diagnostic:
    near = nearest(name, profiles)
    known = f"known profiles: {', '.join(map(repr, profiles))}" if profiles else "the file has no 'profiles'"
    hint = f"did you mean {near!r}?" if near else f"{known}; --profile or {PROFILE_VARIABLE} selects one"
    message = f"there is no profile {name!r}"
    if not profiles:
        return Diagnostic("A110", message, Place(source.file), hint=hint)
    return source.places.diagnostic("A110", ("profiles",), message, hint, at_key=True)


@dataclass(slots=True)
class _MergedSource:
    """The data merged so far, copied so that it may change, and the texts and lines of the included files."""

    main: Source
    root: Node
    data: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Any] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _copied_sections: set[str] = field(default_factory=set)

    def read_parts(self, files: ProjectFiles, pattern: str, path: KeyPath) -> Iterable[Source]:
        """Read the files that match one pattern and that have not been read yet."""
        names = files.find(pattern) if is_pattern(pattern) else [pattern]
        if not names:
            message, hint = f"no file matches {pattern!r}", "patterns are relative to the project folder"
            self.diagnostics.append(self.main.places.diagnostic("A233", path, message, hint, "warning"))
        for name in names:
            if name == self.main.file or name in self.texts:
                continue
            text = files.read(name)
            if isinstance(text, Diagnostic):
                at_name = self.main.places.diagnostic(text.code, path, text.message, text.hint, text.severity)
                self.diagnostics.append(text if text.place.line else at_name)
                continue
            part = read_yaml(text, name)
            self.texts[name], self.lines[name] = text, part.places.lines.get(name, ())
            self.diagnostics += part.diagnostics
            if not part.diagnostics:
                yield part

    def add(self, part: Source) -> None:
        """Add the sections of a file; a name that two files declare is an error with both places."""
        if not isinstance(part.data, dict):
            self.diagnostics.append(
                Diagnostic("A019", "an included file must be a mapping of sections", part.places.value())
            )
            return
        for section, value in part.data.items():
            if section in MAIN_ONLY:
                message = f"{section!r} is allowed only in {self.main.file!r}"
                self.diagnostics.append(Diagnostic("A019", message, part.places.key((section,)), path=section))
            elif section.startswith("x-") or (section == "version" and value == self.data.get("version")):
                continue
            elif section not in self.data:
                self._attach(self.root, self.data, part, (section,))
            elif isinstance(value, dict) and isinstance(self.data[section], dict):
                self._join(section, value, part)
            else:
                self._report_duplicate((section,), part)

    def _join(self, section: str, value: dict[str, Any], part: Source) -> None:
        if section not in self._copied_sections:
            self.root.children[section], self.data[section] = _copied(self.root.children[section], self.data[section])
            self._copied_sections.add(section)
        for key in value:
            if key in self.data[section]:
                self._report_duplicate((section, key), part)
            else:
                self._attach(self.root.children[section], self.data[section], part, (section, key))

    def _attach(self, node: Node, data: dict[str, Any], part: Source, path: KeyPath) -> None:
        source, value = part.places.root, part.data
        for step in path[:-1]:
            source, value = source.children[step], value[step]
        _set(node, data, source, path[-1], value[path[-1]], part.file)

    def _report_duplicate(self, path: KeyPath, part: Source) -> None:
        *above, key = path
        message = f"the key {key!r} {f'of {above[0]!r} ' if above else ''}is written twice"
        first = replace(self.main.places, root=self.root).key(path)
        self.diagnostics.append(part.places.diagnostic("A012", path, message, f"first at {first}", at_key=True))


def _copied(node: Node, data: dict[str, Any]) -> tuple[Node, dict[str, Any]]:
    return node.copy(), dict(data)


def _set(node: Node, data: dict[str, Any], source: Node, key: Any, value: Any, file: str) -> None:
    node.keys[key], node.children[key] = source.keys[key], source.children[key]
    node.files[key] = source.files.get(key, file)
    data[key] = value


def _apply_patch(node: Node, data: dict[str, Any], patch_node: Node, patch: dict[str, Any], file: str) -> None:
    """Change `data` as RFC 7396 says: null removes a key, a mapping changes a mapping, any other value replaces."""
    for key, value in patch.items():
        if value is None:
            data.pop(key, None)
            for known in (node.keys, node.children, node.files):
                known.pop(key, None)
        elif isinstance(value, dict) and isinstance(data.get(key), dict):
            node.children[key], data[key] = _copied(node.children[key], data[key])
            _apply_patch(node.children[key], data[key], patch_node.children[key], value, file)
        else:
            _set(node, data, patch_node, key, _without_nulls(value), file)


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}
