"""YAML text as plain data, with the place of every key and value in a separate tree.

Places are computed when a diagnostic needs one, so that reading a file does not pay for them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import yaml

from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import suggest
from runtime.documents.parser import parse_events, resolve_plain
from runtime.resources.gc_policy import collector_paused

MAX_ALIASED = 200_000
_CORE_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": type(None),
    "map": dict,
    "seq": list,
}
_CORE_TAGS = {f"tag:yaml.org,2002:{name}": types for name, types in _CORE_TYPES.items()}
_MERGE = "<<"
QUOTE_KEY = "put the key in quotes"
"""The hint for a key that is a number or a keyword of YAML; it is read as it is written."""


class Node:
    """A mapping or list in the file; the node of a scalar is its event. `files` has the children from other files."""

    __slots__ = ("anchor", "children", "data", "files", "key", "keys", "merges", "size", "start")

    def __init__(self, event: Any, data: dict[str, Any] | list[Any]) -> None:
        self.start = event.start_mark
        self.anchor: str | None = event.anchor
        self.data = data
        self.children: dict[str | int, Any] = {}
        self.keys: dict[str | int, Any] = {}
        self.key: Any = None
        self.merges: list[tuple[Any, Any]] = []
        self.files: dict[str | int, str] = {}
        self.size = 1

    def copy(self) -> Node:
        """Return a copy with its own dictionaries of children."""
        new = copy.copy(self)
        new.children, new.keys, new.files = dict(self.children), dict(self.keys), dict(self.files)
        return new


@dataclass(frozen=True, slots=True)
class Places:
    """The places of keys and values; a path that does not exist has the place of its nearest parent.

    `lines` are the lines of each file by its name; `file` is the one that includes the others.
    """

    file: str
    root: Any = None
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def value(self, path: KeyPath = ()) -> Place:
        """Return the place of the value at `path`; of an alias, that of its anchor."""
        match = self._find(path)
        return _place(match.file, _mark(match.node))

    def key(self, path: KeyPath) -> Place:
        """Return the place of the key of `path`, or of the list item itself."""
        match = self._find(path)
        event = match.key(path)
        return _place(match.file, _mark(event if event is not None else match.node))

    def length(self, path: KeyPath = ()) -> int:
        """Return the number of characters of a scalar on one line, else 1."""
        return _width(self._find(path).node)

    def key_length(self, path: KeyPath) -> int:
        """Return the number of characters of the key of `path`, else 1."""
        return _width(self._find(path).key(path))

    def diagnostic(
        self, code: str, path: KeyPath, message: str, hint: str = "", severity: Severity = "error", at_key: bool = False
    ) -> Diagnostic:
        """Return a diagnostic about the value at `path`, or about its key."""
        place, length = self.value(path), self.length(path)
        if at_key:
            place, length = self.key(path), self.key_length(path)
        return Diagnostic(code, message, place, severity, hint, path_text(path), length)

    def span(self, path: KeyPath) -> tuple[Place, Place] | None:
        """Return the start and end of the scalar at `path`, with its quotes; None for anything else."""
        match = self._find(path)
        if match.known != len(path) or not isinstance(match.node, yaml.ScalarEvent):
            return None
        return _place(match.file, match.node.start_mark), _place(match.file, match.node.end_mark)

    def text(self, path: KeyPath) -> str | None:
        """Return the text of a scalar without quotes, as written; None for anything else."""
        match = self._find(path)
        if match.known == len(path) and isinstance(match.node, yaml.ScalarEvent) and match.node.implicit[0]:
            return str(match.node.value)
        return None

    def written(self, path: KeyPath) -> KeyPath:
        """Return the longest part of `path` that exists in the file: a short form has no keys of its own."""
        return path[: self._find(path).known]

    def renamed(self, path: KeyPath, name: str | None) -> Places:
        """Return the places with another name for the key at `path`; None: its entries take its place."""
        root = node = self.root.copy()
        for step in path[:-1]:
            node.children[step] = node.children[step].copy()
            node = node.children[step]
        inner = node.children[path[-1]]
        for kind in ("keys", "children", "files"):
            known = getattr(node, kind)
            if name is None:
                known.pop(path[-1], None)
                known |= getattr(inner, kind)
            elif path[-1] in known:
                known[name] = known.pop(path[-1])
        return replace(self, root=root)

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) in the string at `path`, as exactly as its style allows."""
        start, match = self.value(path), self._find(path)
        node = match.node
        if match.known != len(path) or not isinstance(node, yaml.ScalarEvent) or not start.line:
            return start
        if node.style in ("|", ">"):
            return self._inside_block(node, start, line, column)
        if line > 1 or "\\" in node.value:
            return start
        quote = 1 if node.style in ("'", '"') else 0
        return Place(start.file, start.line, start.column + quote + column - 1)

    def _inside_block(self, node: Any, start: Place, line: int, column: int) -> Place:
        if node.style == ">":
            return start
        first = node.value.split("\n", 1)[0]
        lines = self.lines.get(start.file, ())
        written = lines[start.line] if start.line < len(lines) else ""
        indent = len(written) - len(written.lstrip(" ")) - (len(first) - len(first.lstrip(" ")))
        return Place(start.file, start.line + line, max(indent, 0) + column)

    def _find(self, path: KeyPath) -> _PathMatch:
        node, parent, file = self.root, None, self.file
        for depth, step in enumerate(path):
            if not isinstance(node, Node) or step not in node.children:
                return _PathMatch(node, parent, depth, file)
            file = node.files.get(step, file) if node.files else file
            parent, node = node, node.children[step]
        return _PathMatch(node, parent, len(path), file)


class _PathMatch(NamedTuple):
    """The node at the first `known` steps of a path, with its parent and its file."""

    node: Any
    parent: Node | None
    known: int
    file: str

    def key(self, path: KeyPath) -> Any:
        """Return the node of the key; None for an item of a list, and for the root."""
        return self.parent.keys.get(path[self.known - 1]) if self.parent is not None and self.known else None


def _place(file: str, mark: Any) -> Place:
    return Place(file) if mark is None else Place(file, mark.line + 1, mark.column + 1)


def _mark(node: Any) -> Any:
    return node.start if isinstance(node, Node) else getattr(node, "start_mark", None)


def _width(node: Any) -> int:
    start, end = getattr(node, "start_mark", None), getattr(node, "end_mark", None)
    if not isinstance(node, yaml.ScalarEvent) or start is None or end is None or start.line != end.line:
        return 1
    return max(1, int(end.column) - int(start.column))


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its `text`, its plain `data`, and the `places` of its keys and values.

    `included` are the texts of the files that it includes, by their names.
    """

    file: str
    text: str
    data: Any
    places: Places
    diagnostics: tuple[Diagnostic, ...] = field(default=())
    included: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> Mapping[str, str]:
        """The text of every file that contributes to the data, by its name."""
        return {self.file: self.text, **self.included}


def decode_text(content: bytes, file: str) -> str | Diagnostic:
    """Decode a file's bytes as UTF-8, with or without a byte order mark."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Diagnostic("A003", "the file is UTF-16", Place(file), hint="save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = len(content[content.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8-sig")) + 1
        message = f"the byte 0x{content[error.start]:02X} is not UTF-8"
        return Diagnostic("A003", message, Place(file, line, column), hint="save the file as UTF-8")


def read_yaml(text: str, file: str) -> Source:
    """Read one YAML document; a mistake becomes a diagnostic of the returned source, never an exception."""
    with collector_paused():
        events = parse_events(text.removeprefix("\ufeff"), file)
        if isinstance(events, Diagnostic):
            return Source(file, text, None, Places(file), (events,))
        builder = _Builder(file)
        builder.read(events)
    places = Places(file, builder.root, {file: text.splitlines()})
    return Source(file, text, builder.data, places, tuple(builder.diagnostics))


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Any = None
        self.root: Any = None
        self.diagnostics: list[Diagnostic] = []
        self.stack: list[Node] = []
        self.anchors: dict[str, tuple[Any, Any] | None] = {}
        self.aliased = 0

    def read(self, events: list[yaml.Event]) -> None:
        documents = 0
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event, {} if kind is yaml.MappingStartEvent else [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._report("A011", event, "a second YAML document starts here", "a file contains one document")
                    return
        if not documents or (self.data is None and not self.diagnostics):
            self.diagnostics.append(Diagnostic("A004", "the file is empty", Place(self.file)))

    def _report(self, code: str, at: Any, message: str, hint: str = "") -> None:
        place = _place(self.file, _mark(at))
        self.diagnostics.append(Diagnostic(code, message, place, hint=hint, length=_width(at)))

    def _scalar(self, event: Any) -> None:
        text = event.value
        data = resolve_plain(text) if event.implicit[0] and event.tag is None else text
        if event.tag is not None and event.tag != "!":
            data = self._tagged(event, resolve_plain(text) if event.tag != "tag:yaml.org,2002:str" else text)
        if event.anchor is not None:
            self.anchors[event.anchor] = (event, data)
        self._attach(event, data)

    def _tagged(self, event: Any, data: Any) -> Any:
        wanted = _CORE_TAGS.get(event.tag)
        if wanted is None:
            message = f"custom YAML tags are not part of the language: {_short_tag(event.tag)!r}"
            from runtime.documents.syntax_errors import hint_tag

            self._report("A014", event, message, hint_tag(event.tag))
        elif not isinstance(data, wanted):
            self._report("A014", event, f"the value does not match its tag {_short_tag(event.tag)!r}")
        return data

    def _start(self, event: Any, data: dict[str, Any] | list[Any]) -> None:
        if event.tag is not None and event.tag != "!":
            self._tagged(event, data)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(Node(event, data))

    def _end(self) -> None:
        node = self.stack.pop()
        if node.merges:
            self._merge(node)
        if node.anchor is not None:
            self.anchors[node.anchor] = (node, node.data)
        self._attach(node, node.data)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        if name not in self.anchors:
            hint = suggest(name, self.anchors) or "put a text that begins with '*' in quotes"
            self._report("A015", event, f"this file has no anchor '&{name}'", hint)
        target = self.anchors.get(name)
        if target is None:
            if name in self.anchors:
                self._report("A015", event, f"the alias '*{name}' is inside its own anchor '&{name}'")
            self._attach(event, None)
            return
        before, self.aliased = self.aliased, self.aliased + _size(target[0])
        if self.aliased > MAX_ALIASED:
            if before <= MAX_ALIASED:
                self._report("A016", event, f"the aliases of this file expand to more than {MAX_ALIASED:,} values")
            self._attach(event, None)
            return
        self._attach(target[0], target[1])

    def _attach(self, node: Any, data: Any) -> None:
        if not self.stack:
            self.data, self.root = data, node
            return
        top = self.stack[-1]
        if isinstance(top.data, list):
            top.children[len(top.data)] = node
            top.data.append(data)
            top.size += _size(node)
        elif top.key is None:
            top.key = (node, self._key(node, data))
        else:
            self._pair(top, top.data, node, data)

    def _key(self, node: Any, data: Any) -> str | None:
        if isinstance(data, str):
            return data
        if isinstance(data, (dict, list)):
            hint = 'put a template in quotes: "{{ … }}"' if isinstance(data, dict) else ""
            self._report("A013", node, f"a key must be text, not a {'mapping' if hint else 'list'}", hint)
            return None
        text = str(getattr(node, "value", ""))
        self._report("A013", node, f"a key must be text, not {text!r}" if text else "a key is missing", QUOTE_KEY)
        return text

    def _pair(self, top: Node, into: dict[str, Any], node: Any, data: Any) -> None:
        (key_node, key), top.key = top.key, None
        if key is None:
            return
        if key == _MERGE and isinstance(key_node, yaml.ScalarEvent) and key_node.implicit[0]:
            if top.merges:
                self._report("A012", key_node, "the key '<<' is written twice", "write one list: '<<: [*a, *b]'")
            top.merges.append((node, data))
            return
        if key in into:
            first = Place(self.file, top.keys[key].start_mark.line + 1, top.keys[key].start_mark.column + 1)
            self._report("A012", key_node, f"the key {key!r} is written twice", f"first at {first}")
            return
        into[key] = data
        top.keys[key], top.children[key] = key_node, node
        top.size += 1 + _size(node)

    def _merge(self, node: Node) -> None:
        """Merge mappings into the node: its own keys have precedence, then those of the earlier mapping."""
        into = node.data
        if not isinstance(into, dict):
            return
        own, merged = dict(into), {}
        for source, data in self._merge_sources(node.merges):
            for key in data:
                if key not in own and key not in merged:
                    merged[key] = data[key]
                    node.keys[key], node.children[key] = source.keys[key], source.children[key]
                    node.size += 1 + _size(source.children[key])
        into.clear()
        into.update(merged | own)

    def _merge_sources(self, merges: list[tuple[Any, Any]]) -> Iterator[tuple[Any, dict[str, Any]]]:
        for node, data in merges:
            items = [(node, data)] if not isinstance(data, list) else zip(node.children.values(), data, strict=True)
            for source, item in items:
                if isinstance(item, dict):
                    yield source, item
                elif not isinstance(source, yaml.AliasEvent):
                    self._report("A018", source, "'<<' merges mappings, and this is not a mapping")


def _size(node: Any) -> int:
    return node.size if isinstance(node, Node) else 1


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
