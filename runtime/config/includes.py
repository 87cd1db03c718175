"""One configuration of several files: what `include` names is added by section, then a profile is laid over all.

Nodes and data are copied where something is added to them: an anchor may have made others of the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.config.model.root import MAIN_ONLY
from runtime.config.project_files import ProjectFiles, is_pattern
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import nearest
from runtime.documents.document import Node, Source, read_yaml
from runtime.documents.variables import interpolate

PROFILE_VARIABLE = "CHATKIT_PROFILE"


def add_included(source: Source, files: ProjectFiles, environ: Mapping[str, str]) -> Source:
    """Return `source` with the sections of every file that its `include` names; mistakes are its diagnostics."""
    patterns = source.data.get("include") if isinstance(source.data, dict) else None
    if source.diagnostics or not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
        return source
    # What is wrong with a variable is told of where all of them are filled in.
    filled = interpolate(replace(source, data={"include": patterns}), environ).source.data["include"]
    whole = _Whole(source, *_copied(source.places.root, source.data))
    for index, pattern in enumerate(filled):
        for part in whole.parts(files, pattern, ("include", index)):
            whole.add(part)
    places = replace(source.places, root=whole.root, lines={**source.places.lines, **whole.lines})
    return replace(source, data=whole.data, places=places, included=whole.texts, diagnostics=tuple(whole.found))


def apply_profile(source: Source, name: str) -> Source:
    """Return `source` with the profile `name` laid over it, as a JSON merge patch (RFC 7396).

    What declares the profiles stays as it is.
    """
    profiles = source.data.get("profiles", {}) if isinstance(source.data, dict) else None
    if has_errors(source.diagnostics) or not isinstance(profiles, dict):
        return source
    if name not in profiles:
        return replace(source, diagnostics=(*source.diagnostics, _no_profile(source, name, profiles)))
    if not isinstance(profiles[name], dict):
        return source
    root, data = _copied(source.places.root, source.data)
    patch = {key: value for key, value in profiles[name].items() if not _is_apart(key)}
    _lay_over(root, data, root.children["profiles"].children[name], patch, source.file)
    return replace(source, data=data, places=replace(source.places, root=root))


def _no_profile(source: Source, name: str, profiles: Iterable[str]) -> Diagnostic:
    near = nearest(name, profiles)
    known = f"there are {', '.join(map(repr, profiles))}" if profiles else "the file has no 'profiles'"
    hint = f"did you mean {near!r}?" if near else f"{known}; --profile or {PROFILE_VARIABLE} asks for it"
    message = f"there is no profile {name!r}"
    if not profiles:
        return Diagnostic("A110", message, Place(source.file), hint=hint)
    place, length = source.places.key(("profiles",)), source.places.key_length(("profiles",))
    return Diagnostic("A110", message, place, hint=hint, path="profiles", length=length)


@dataclass(slots=True)
class _Whole:
    """What has come together so far: copies that may be changed, and the texts and lines of the other files."""

    main: Source
    root: Node
    data: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Any] = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    _own: set[str] = field(default_factory=set)

    def parts(self, files: ProjectFiles, pattern: str, path: KeyPath) -> Iterable[Source]:
        """Read the files of one pattern that have not been read so far."""
        names = files.find(pattern) if is_pattern(pattern) else [pattern]
        if not names:
            place, length = self.main.places.value(path), self.main.places.length(path)
            hint = "it is looked for in the folder of this file"
            self.found.append(
                Diagnostic("A233", f"no file fits {pattern!r}", place, "warning", hint, path_text(path), length)
            )
        for name in names:
            if name == self.main.file or name in self.texts:
                continue
            text = files.read(name)
            if isinstance(text, Diagnostic):
                self.found.append(text if text.place.line else self._at(path, text))
                continue
            part = read_yaml(text, name)
            self.texts[name], self.lines[name] = text, part.places.lines.get(name, ())
            self.found += part.diagnostics
            if not part.diagnostics:
                yield part

    def _at(self, path: KeyPath, found: Diagnostic) -> Diagnostic:
        place, length = self.main.places.value(path), self.main.places.length(path)
        return replace(found, place=place, path=path_text(path), length=length)

    def add(self, part: Source) -> None:
        """Add the sections of a file; the same name in two of them is an error that names both places."""
        if not isinstance(part.data, dict):
            self.found.append(Diagnostic("A019", "an included file holds sections", part.places.value()))
            return
        for section, value in part.data.items():
            if section in MAIN_ONLY:
                message = f"only {self.main.file!r} may have {section!r}"
                self.found.append(Diagnostic("A019", message, part.places.key((section,)), path=section))
            elif section.startswith("x-") or (section == "version" and value == self.data.get("version")):
                continue
            elif section not in self.data:
                self._attach(self.root, self.data, part, (section,))
            elif isinstance(value, dict) and isinstance(self.data[section], dict):
                self._join(section, value, part)
            else:
                self._twice((section,), part)

    def _join(self, section: str, value: dict[str, Any], part: Source) -> None:
        if section not in self._own:
            self.root.children[section], self.data[section] = _copied(self.root.children[section], self.data[section])
            self._own.add(section)
        for key in value:
            if key in self.data[section]:
                self._twice((section, key), part)
            else:
                self._attach(self.root.children[section], self.data[section], part, (section, key))

    def _attach(self, node: Node, data: dict[str, Any], part: Source, path: KeyPath) -> None:
        source, value = part.places.root, part.data
        for step in path[:-1]:
            source, value = source.children[step], value[step]
        _set(node, data, source, path[-1], value[path[-1]], part.file)

    def _twice(self, path: KeyPath, part: Source) -> None:
        *above, key = path
        message = f"the key {key!r} {f'of {above[0]!r} ' if above else ''}is written twice"
        first = self._places().key(path)
        place, length = part.places.key(path), part.places.key_length(path)
        self.found.append(
            Diagnostic("A012", message, place, hint=f"first at {first}", path=path_text(path), length=length)
        )

    def _places(self) -> Any:
        return replace(self.main.places, root=self.root)


def _is_apart(key: str) -> bool:
    return key in MAIN_ONLY or key.startswith("x-")


def _copied(node: Node, data: dict[str, Any]) -> tuple[Node, dict[str, Any]]:
    return node.copy(), dict(data)


def _set(node: Node, data: dict[str, Any], source: Node, key: Any, value: Any, file: str) -> None:
    node.keys[key], node.children[key] = source.keys[key], source.children[key]
    node.files[key] = source.files.get(key, file)
    data[key] = value


def _lay_over(node: Node, data: dict[str, Any], over: Node, patch: dict[str, Any], file: str) -> None:
    """Change `data` as RFC 7396 says: null takes a key out, a mapping changes a mapping, all else replaces."""
    for key, value in patch.items():
        if value is None:
            data.pop(key, None)
            for known in (node.keys, node.children, node.files):
                known.pop(key, None)
        elif isinstance(value, dict) and isinstance(data.get(key), dict):
            node.children[key], data[key] = _copied(node.children[key], data[key])
            _lay_over(node.children[key], data[key], over.children[key], value, file)
        else:
            _set(node, data, over, key, _without_nulls(value), file)


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(item) for key, item in value.items() if item is not None}
