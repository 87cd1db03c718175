"""The edits: each is one slip of somebody who writes a project, made at a place that chance picks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.mutants.documents import CONFIG, FILES, PROMPT, SCRIPT, WIDGETS, Tree, is_jinja, parse

Path = tuple[str | int, ...]
_NAMED = ("agents", "tools", "widgets", "models", "actions", "state")
"""The sections whose entries have names that others refer to."""
_IMPORT = re.compile(r"[\w.]+:[\w.]+")
_FILE = re.compile(r"[\w/]+\.(?:md|yaml|json|widget)")
_WORD = re.compile(r"[\w.:/$-]{2,}")
_TEMPLATE = re.compile(r'\{\{.*?\}\}|\{%.*?%\}|(?<=\$if": ")[^"]*|(?<=\$for": ")[^"]*')
_QUOTED = re.compile(r"\\?\"[^\"]*\"|'[^']*'")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w+")
_JINJA_WORDS = {"if", "else", "elif", "endif", "for", "endfor", "in", "and", "or", "not", "is", "set", "then"}
_OTHER_TYPES: dict[type, tuple[Callable[[Any], Any], ...]] = {
    str: (lambda _: 7, lambda value: [value], lambda value: {"value": value}, lambda _: None),
    bool: (lambda value: "on" if value else "off", lambda _: 7, lambda value: [value], lambda _: None),
    int: (lambda _: "seven", lambda value: [value], lambda _: True, lambda _: None),
    float: (lambda _: "seven", lambda value: [value], lambda _: True, lambda _: None),
    list: (lambda value: value[0] if value else "", lambda _: {"value": 7}, lambda _: 7, lambda _: None),
    dict: (lambda value: list(value.values()), lambda _: "text", lambda _: 7, lambda _: None),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit: `text` is what `file` holds after it, `what` says what was done and where."""

    operator: str
    file: str
    text: str
    what: str
    shows_late: bool = False
    """The project runs, and what it says is wrong: a report of any kind is right."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: `tree` is its file, `parent` the mapping or list that holds it as `path[-1]`."""

    tree: Tree
    parent: Any
    path: Path

    @property
    def key(self) -> Any:
        """Its key or index."""
        return self.path[-1]

    @property
    def value(self) -> Any:
        """The value itself."""
        return self.parent[self.key]

    def __str__(self) -> str:
        return ".".join(map(str, self.path))


Places = Sequence[Place]
Edit = Callable[[Places, Random], tuple[Place, str]]
"""Changes one of the places; returns which, and what was done there."""
TextEdit = Callable[[str, Random], tuple[str, str]]
"""Changes a text; returns the new one, and what was done."""


def places_of(tree: Tree) -> Iterator[Place]:
    """Yield every value of a file but the file itself."""
    waiting: list[tuple[Any, Path]] = [(tree.data, ())]
    while waiting:
        node, path = waiting.pop()
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            yield Place(tree, node, (*path, key))
            waiting.append((child, (*path, key)))


def misspell(word: str, random: Random) -> str:
    """Type a word as people do: two letters the wrong way round, one too few, one too many, or another one."""
    letters = [index for index, letter in enumerate(word) if letter.isalnum()]
    while True:
        at = random.choice(letters)
        slip = random.randrange(4)
        if slip == 0:
            typed = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
        elif slip == 1 and len(letters) > 1:
            typed = word[:at] + word[at + 1 :]
        elif slip == 2:
            typed = word[: at + 1] + word[at:]
        else:
            typed = word[:at] + random.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
        if typed != word:
            return typed


def drop_key(places: Places, random: Random) -> tuple[Place, str]:
    """Leave out one key of a mapping."""
    place = random.choice([place for place in places if isinstance(place.parent, dict)])
    del place.parent[place.key]
    return place, "left out"


def drop_item(places: Places, random: Random) -> tuple[Place, str]:
    """Leave out one item of a list."""
    place = random.choice([place for place in places if isinstance(place.parent, list)])
    text = repr(place.value)
    del place.parent[place.key]
    return place, f"left out {text}"


def misspell_key(places: Places, random: Random) -> tuple[Place, str]:
    """Misspell one key."""
    place = random.choice([place for place in places if isinstance(place.parent, dict)])
    typed = misspell(str(place.key), random)
    _rename(place, typed)
    return place, f"became {typed!r}"


def misspell_name(places: Places, random: Random) -> tuple[Place, str]:
    """Misspell one reference: a declared name, an import path, a file."""
    place = random.choice(_references(places))
    return _put(place, misspell(place.value, random))


def misspell_word(places: Places, random: Random) -> tuple[Place, str]:
    """Misspell another value of one word: a type, an icon, a duration, an address."""
    references = {place.path for place in _references(places)}
    place = random.choice([place for place in places if _is_word(place.value) and place.path not in references])
    return _put(place, misspell(place.value, random))


def misspell_value(places: Places, random: Random) -> tuple[Place, str]:
    """Misspell a value of one word."""
    place = random.choice([place for place in places if _is_word(place.value)])
    return _put(place, misspell(place.value, random))


def break_reference(places: Places, random: Random) -> tuple[Place, str]:
    """Let a reference lead to something that was never there."""
    place = random.choice(_references(places))
    if _IMPORT.fullmatch(place.value):
        module, _, name = place.value.partition(":")
        return _put(place, random.choice((f"{module}:nothing_here", f"tools.nowhere:{name}", f"nowhere:{name}")))
    if _FILE.fullmatch(place.value):
        folder, _, name = place.value.partition("/")
        return _put(place, random.choice((f"{folder}/nowhere.{name.rpartition('.')[2]}", f"nowhere/{name}")))
    return _put(place, "nobody")


def change_type(places: Places, random: Random) -> tuple[Place, str]:
    """Put a value of another type where one stands."""
    place = random.choice([place for place in places if type(place.value) in _OTHER_TYPES])
    return _put(place, random.choice(_OTHER_TYPES[type(place.value)])(place.value))


def double_entry(places: Places, random: Random) -> tuple[Place, str]:
    """Write an entry a second time, under another name."""
    place = random.choice([place for place in places if len(place.path) == 2 and place.path[0] in _NAMED])
    place.parent[f"{place.key}_2"] = deepcopy(place.value)
    return place, f"again as '{place.key}_2'"


def swap_values(places: Places, random: Random) -> tuple[Place, str]:
    """Swap two values of one mapping or list."""
    place, other = random.choice([(place, other) for place in places for other in _unlike(place)])
    place.parent[place.key], place.parent[other] = place.parent[other], place.parent[place.key]
    return place, f"swapped with {other!r}"


def add_key(places: Places, random: Random) -> tuple[Place, str]:
    """Add a key that nobody knows."""
    place = random.choice([place for place in places if isinstance(place.value, dict)])
    place.value["colour"] = "blue"
    return place, "got the key 'colour'"


def cut_text(text: str, random: Random) -> tuple[str, str]:
    """Keep only the beginning: a file that is half written."""
    at = random.randrange(1, len(text))
    return text[:at], f"cut in line {text.count(chr(10), 0, at) + 1}"


def repeat_line(text: str, random: Random) -> tuple[str, str]:
    """Write one line twice."""
    lines, at = _pick_line(text, random)
    return "".join([*lines[: at + 1], *lines[at:]]), f"line {at + 1} twice"


def shift_line(text: str, random: Random) -> tuple[str, str]:
    """Indent one line by a little more or less, or with a tab."""
    lines, at = _pick_line(text, random)
    line = lines[at]
    ways = [" " + line, "  " + line, "\t" + line, *([line[1:], line[2:]] if line.startswith("  ") else [])]
    lines[at] = random.choice(ways)
    return "".join(lines), f"line {at + 1} became {lines[at]!r}"


def misspell_template(texts: Mapping[str, str], random: Random) -> tuple[str, str, str]:
    """Misspell a name in a template, in whichever file; returns the file, its text, and what was done."""
    found = [
        (file, template.start() + name.start(), name[0])
        for file in FILES
        for template in _TEMPLATE.finditer(texts[file])
        for name in _IDENTIFIER.finditer(_QUOTED.sub(lambda quoted: " " * len(quoted[0]), template[0]))
        if name[0] not in _JINJA_WORDS
    ]
    file, at, name = random.choice(found)
    typed = misspell(name, random)
    text = texts[file]
    return file, text[:at] + typed + text[at + len(name) :], f"{name!r} became {typed!r}"


# Texts that other people's habits produce: no quotes, one brace, other systems' words, letters of other alphabets.

_FOREIGN = {
    **{"instructions": ("system_prompt", "prompt", "role"), "handoffs": ("sub_agents", "transfers")},
    **{"tools": ("functions", "toolset"), "model": ("llm", "model_name"), "description": ("desc", "purpose")},
    **{"parameters": ("input_schema", "args_schema"), "python": ("func", "callable"), "models": ("llms", "providers")},
    **{"settings": ("model_settings", "config"), "timeout": ("max_execution_time",), "max_turns": ("max_iterations",)},
    **{"actions": ("handlers", "callbacks"), "store": ("database", "checkpointer"), "agents": ("assistants", "crew")},
}
_LOOK_ALIKES = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "o": "\u043e", "p": "\u0440", "i": "\u0456"}
_IN_QUOTES = re.compile(r'(?<=[ {[])"([^"\n\\]*(?:: |#|\{\{|, |\*|&|\?)[^"\n\\]*)"')
_PROSE = re.compile(
    r"^\s*(?:description|instructions|greeting|label|prompt): (?P<text>[A-Z][^\n#:{}\"']+)$", re.MULTILINE
)
_ONE_NAME = re.compile(r"\{\{ ([A-Za-z_][\w.]*) \}\}")


def leave_out_quotes(text: str, random: Random) -> tuple[str, str]:
    """Write a text without its quotes, which YAML then reads otherwise."""
    match = random.choice(list(_IN_QUOTES.finditer(text)))
    return text[: match.start()] + match[1] + text[match.end() :], f"{_short(match[0])} without quotes"


def write_number_sign(text: str, random: Random) -> tuple[str, str]:
    """Write ` #1` into a text without quotes: the rest of it is a comment."""
    match = random.choice(list(_PROSE.finditer(text)))
    spaces = [at for at in range(match.start("text"), match.end("text")) if text[at] == " "]
    at = random.choice(spaces or [match.end("text")])
    return f"{text[:at]} #1{text[at:]}", f"' #1' in {_short(match['text'])}"


def lose_braces(texts: Mapping[str, str], random: Random) -> tuple[str, str, str]:
    """Write one brace where a template has two."""
    found = [(file, match) for file in (CONFIG, PROMPT) for match in _ONE_NAME.finditer(texts[file]) if _is_turn(match)]
    file, match = random.choice(found)
    text = texts[file]
    return file, f"{text[: match.start()]}{{{match[1]}}}{text[match.end() :]}", f"{match[0]} became {{{match[1]}}}"


def _is_turn(match: re.Match[str]) -> bool:
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    return re.match(r"\s*(copy_text|title|value|src|alt|text|rows|items|:)", line) is None


def foreign_word(places: Places, random: Random) -> tuple[Place, str]:
    """Write a key as another system has it."""
    place = random.choice([place for place in places if place.key in _FOREIGN and len(place.path) in (1, 3)])
    word = random.choice(_FOREIGN[str(place.key)])
    before = place.key
    _rename(place, word)
    return place, f"{before!r} became {word!r}"


def look_alike(places: Places, random: Random) -> tuple[Place, str]:
    """Write a reference with a letter of another alphabet."""
    found = [place for place in _references(places) if set(str(place.value)) & _LOOK_ALIKES.keys()]
    place = random.choice(found)
    letter = random.choice([letter for letter in str(place.value) if letter in _LOOK_ALIKES])
    return _put(place, str(place.value).replace(letter, _LOOK_ALIKES[letter], 1))


def _rename(place: Place, name: str) -> None:
    entries = [(name if key == place.key else key, value) for key, value in place.parent.items()]
    place.parent.clear()
    place.parent.update(entries)


def _unlike(place: Place) -> list[Any]:
    """The keys beside a place that hold something else than it does."""
    keys = list(place.parent) if isinstance(place.parent, dict) else list(range(len(place.parent)))
    return [key for key in keys if place.parent[key] != place.value]


def _put(place: Place, value: Any) -> tuple[Place, str]:
    before = place.value
    place.parent[place.key] = value
    return place, f"{_short(before)} became {_short(value)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _references(places: Places) -> list[Place]:
    names = {place.key for place in places if len(place.path) == 2 and place.path[0] in _NAMED}
    return [place for place in places if _refers(place.value, names)]


def _refers(value: object, names: set[Any]) -> bool:
    return isinstance(value, str) and (value in names or bool(_IMPORT.fullmatch(value)) or bool(_FILE.fullmatch(value)))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and not is_jinja(value) and bool(_WORD.fullmatch(value))


def _pick_line(text: str, random: Random) -> tuple[list[str], int]:
    lines = text.splitlines(keepends=True)
    return lines, random.choice([at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")])


ON_DATA: dict[str, tuple[tuple[str, ...], Edit]] = {
    "drop a key": ((CONFIG,), drop_key),
    "drop a list item": ((CONFIG,), drop_item),
    "misspell a key": ((CONFIG,), misspell_key),
    "misspell a reference": ((CONFIG,), misspell_name),
    "misspell another word": ((CONFIG,), misspell_word),
    "change a type": ((CONFIG,), change_type),
    "break a reference": ((CONFIG,), break_reference),
    "double an entry": ((CONFIG,), double_entry),
    "swap two values": ((CONFIG,), swap_values),
    "add an unknown key": ((CONFIG,), add_key),
    "write a foreign word": ((CONFIG,), foreign_word),
    "write a look-alike": ((CONFIG,), look_alike),
    "widget: drop a key": (WIDGETS, drop_key),
    "widget: misspell a key": (WIDGETS, misspell_key),
    "widget: misspell a value": (WIDGETS, misspell_value),
    "widget: change a type": (WIDGETS, change_type),
    "script: drop a key": ((SCRIPT,), drop_key),
    "script: misspell a key": ((SCRIPT,), misspell_key),
    "script: misspell a value": ((SCRIPT,), misspell_value),
    "script: change a type": ((SCRIPT,), change_type),
}
ON_TEXT: dict[str, TextEdit] = {
    "cut the text": cut_text,
    "write a line twice": repeat_line,
    "indent a line wrongly": shift_line,
    "leave out quotes": leave_out_quotes,
    "write a number sign": write_number_sign,
}
TEMPLATES = "misspell a template's name"
BRACES = "lose a brace"
OPERATORS = (*ON_DATA, *ON_TEXT, TEMPLATES, BRACES)
_SHOW_LATE = frozenset({"write a number sign", BRACES})


def make_mutant(texts: Mapping[str, str], seed: int, index: int) -> Mutant:
    """Make the mutant `index` of a seed: the operators take turns, and chance picks the place."""
    operator, random = OPERATORS[index % len(OPERATORS)], Random(f"{seed}/{index}")
    shows_late = operator in _SHOW_LATE
    if operator in (TEMPLATES, BRACES):
        file, text, what = (misspell_template if operator == TEMPLATES else lose_braces)(texts, random)
        return Mutant(operator, file, text, what, shows_late)
    if operator in ON_TEXT:
        text, what = ON_TEXT[operator](texts[CONFIG], random)
        return Mutant(operator, CONFIG, text, what, shows_late)
    files, edit = ON_DATA[operator]
    trees = [parse(file, texts[file]) for file in files]
    place, what = edit([place for tree in trees for place in places_of(tree)], random)
    return Mutant(operator, place.tree.file, place.tree.text(), f"{place}: {what}")
