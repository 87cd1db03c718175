"""Parser of scripts: from the data of a YAML file to a `Script` with compiled patterns and templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from runtime.config.model.types import parse_duration
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import quote, suggest
from runtime.documents.document import read_yaml
from runtime.scripts.player import Matcher, Script, ScriptError, ScriptTurn, Situation, WrittenResponse, WrittenStep
from runtime.templates.template import Template, TemplateError

_SCRIPT_KEYS = ("delay", "turns", "otherwise")
_MATCH_KEYS = ("user", "context", "instructions", "agent", "tools")
_STEP_KEYS = ("say", "think", "call", "handoff", "fail")
_SCOPE = frozenset({"user", "context", "agent", "match", "result", "data", "results"})
_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a mapping"}


def parse_script(data: object, source: str = "") -> Script:
    """Check and compile `data`, the content of a script file that messages call `source`; raises `ScriptError`."""
    try:
        return Script(source, _turns(data))
    except ScriptError as error:
        raise error.of(source) from error.__cause__


def read_script(path: Path) -> Script:
    """Read a script from a YAML file; raises `ScriptError` for a file that is missing, not YAML, or not a script."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScriptError("can't read the script: it is not UTF-8 text", source=str(path)) from error
    except OSError as error:
        raise ScriptError(f"can't read the script: {error.strerror}", source=str(path)) from error
    return read_script_text(text, str(path))


def read_script_text(text: str, source: str = "") -> Script:
    """Read a script from the YAML text that messages call `source`; raises `ScriptError`."""
    document = read_yaml(text, source)
    if document.diagnostics:
        first = document.diagnostics[0]
        where = f"line {first.place.line}: " if first.place.line else ""
        raise ScriptError(f"the script is not YAML: {where}{first.message}", hint=first.hint, source=source)
    return parse_script(document.data, source)


def _turns(data: object) -> tuple[ScriptTurn, ...]:
    script = _mapping(data, (), _SCRIPT_KEYS)
    if "turns" not in script and "otherwise" not in script:
        _refuse("a script needs 'turns' or 'otherwise'", ())
    delay_s = _duration(script.get("delay", 0), ("delay",))
    entries = script.get("turns", [])
    if not isinstance(entries, list):
        _refuse(f"expected a list, got {_kind(entries)}", ("turns",))
    turns = [_turn(entry, ("turns", index), delay_s) for index, entry in enumerate(entries)]
    if "otherwise" in script:
        turns.append(ScriptTurn((), _responses(script["otherwise"], ("otherwise",), delay_s), ("otherwise",)))
    return tuple(turns)


def _turn(data: object, path: KeyPath, delay_s: float) -> ScriptTurn:
    turn = _mapping(data, path, (*_MATCH_KEYS, "reply"))
    if "reply" not in turn:
        _refuse("a turn needs a 'reply'", path)
    matchers = tuple(_matcher(key, turn[key], (*path, key)) for key in _MATCH_KEYS if key in turn)
    return ScriptTurn(matchers, _responses(turn["reply"], (*path, "reply"), delay_s), (*path, "reply"))


def _matcher(key: str, value: object, path: KeyPath) -> Matcher:
    texts = tuple(_texts(value, path))
    if key == "tools":
        return Matcher(key, texts, lambda situation: situation.tools.issuperset(texts))
    if key == "agent":
        names = {text.casefold() for text in texts}
        return Matcher(key, texts, lambda situation: situation.agent.casefold() in names)
    patterns = tuple(_pattern(text, path) for text in texts)

    def search(situation: Situation) -> Any:
        text: str = getattr(situation, key)
        pairs = zip(patterns, texts, strict=True)
        searches = (_search(pattern, text, _is_regex(written), path) for pattern, written in pairs)
        return next((match for match in searches if match), None)

    return Matcher(key, texts, search, patterns)


def _is_regex(text: str) -> bool:
    return len(text) > 1 and text.startswith("/") and text.endswith("/")


def _search(pattern: re.Pattern[str], text: str, is_regex: bool, path: KeyPath) -> Any:
    if not is_regex:
        return pattern.search(text)
    # Not at the top: `validate` parses scripts, and needs no library for it.
    from runtime.resources.patterns import LimitedPattern, PatternTimeout

    try:
        return LimitedPattern.compile(pattern.pattern, ignore_case=True).search(text)
    except PatternTimeout as error:
        _refuse(str(error), path)


def _pattern(text: str, path: KeyPath) -> re.Pattern[str]:
    if _is_regex(text):
        try:
            return re.compile(text[1:-1], re.IGNORECASE)
        except re.error as error:
            _refuse(f"the regular expression {text!r} is wrong: {error}", path)
    # Whole words: "hi" must not match in "this".
    words = r"\s+".join(re.escape(word) for word in text.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _responses(data: object, path: KeyPath, delay_s: float) -> tuple[WrittenResponse, ...]:
    entries = data if isinstance(data, list) else [data]
    if not entries:
        _refuse("a reply needs at least one step", path)
    responses: list[WrittenResponse] = []
    steps: list[WrittenStep] = []
    for index, entry in enumerate(entries):
        step = _step(entry, (*path, index) if isinstance(data, list) else path, delay_s)
        if responses and responses[-1][-1].kind == "fail":
            _refuse("no step can follow a 'fail'", step.path)
        steps.append(step)
        if step.kind in ("call", "handoff", "fail"):
            responses.append(tuple(steps))
            steps = []
    return tuple([*responses, tuple(steps)] if steps else responses)


def _step(data: object, path: KeyPath, delay_s: float) -> WrittenStep:
    if isinstance(data, str):
        data = {"say": data}
    step = _mapping(data, path, (*_STEP_KEYS, "delay"))
    kinds = [key for key in _STEP_KEYS if key in step]
    if len(kinds) != 1:
        given = " and ".join(quote(kinds)) or "none"
        _refuse(f"a step has exactly one of {_listed(_STEP_KEYS)}, here is {given}", path)
    kind = kinds[0]
    path = (*path, kind)
    if "delay" in step:
        delay_s = _duration(step["delay"], (*path, "delay"))
    return WrittenStep(kind, _VALUES[kind](step[kind], path), delay_s, path)


def _text(data: object, path: KeyPath) -> Any:
    """Read a text; other data means its JSON, which an agent with an output type answers."""
    if data is None:
        _refuse("expected a text, got nothing", path)
    return _compiled(data, path)


def _calls(data: object, path: KeyPath) -> list[tuple[str, Any]]:
    """Read `{tool: arguments}`, a tool's bare name, or a list of either for the same tool twice."""
    if isinstance(data, str):
        return [(data, {})]
    if isinstance(data, list) and data:
        return [call for index, entry in enumerate(data) for call in _calls(entry, (*path, index))]
    if not isinstance(data, Mapping) or not data:
        _refuse(f"expected 'tool: {{arguments}}', got {_kind(data)}", path)
    calls = []
    for name, arguments in data.items():
        if not isinstance(name, str):
            _refuse(f"a tool's name is a string, got {_kind(name)}", path)
        if arguments is not None and not isinstance(arguments, Mapping):
            _refuse(f"the arguments are a mapping, got {_kind(arguments)}", (*path, name))
        calls.append((name, _compiled(dict(arguments or {}), (*path, name))))
    return calls


def _handoff(data: object, path: KeyPath) -> str:
    if not isinstance(data, str) or not data.strip():
        _refuse(f"expected the name of an agent, got {_kind(data)}", path)
    return data


def _fail(data: object, path: KeyPath) -> tuple[Any, int]:
    if isinstance(data, str):
        return _compiled(data, path), 500
    failure = _mapping(data, path, ("message", "status"))
    status = failure.get("status", 500)
    if not isinstance(status, int) or not 400 <= status <= 599:
        _refuse("a status is a number from 400 to 599", (*path, "status"))
    message = failure.get("message", "the model failed")
    if not isinstance(message, str):
        _refuse(f"expected a string, got {_kind(message)}", (*path, "message"))
    return _compiled(message, (*path, "message")), status


def _compiled(value: object, path: KeyPath) -> Any:
    """Replace every string with a template in it by a function from the scope to a value."""
    if isinstance(value, str):
        return _template(value, path)
    if isinstance(value, Mapping):
        return {str(key): _compiled(inner, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_compiled(inner, (*path, index)) for index, inner in enumerate(value)]
    return value


_VALUES: dict[str, Callable[[object, KeyPath], Any]] = {
    "say": _text,
    "think": _text,
    "call": _calls,
    "handoff": _handoff,
    "fail": _fail,
}


def _template(text: str, path: KeyPath) -> Callable[[Mapping[str, Any]], Any] | str:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        _refuse(f"the template is wrong: {error}", path)
    for name in sorted(template.names - _SCOPE):
        _refuse(f"the template has no name {name!r}", path, f"known are {', '.join(sorted(_SCOPE))}")
    return text if template.is_constant else template.render


def _texts(value: object, path: KeyPath) -> list[str]:
    texts: list[Any] = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            _refuse(f"expected a text or a list of texts, got {_kind(text)}", path)
    if not texts:
        _refuse("expected a text or a list of texts, got an empty list", path)
    return texts


def _duration(value: object, path: KeyPath) -> float:
    seconds = parse_duration(value)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        _refuse(f"expected a duration such as 20ms or a number of seconds, got {value!r}", path)
    return float(seconds)


def _mapping(data: object, path: KeyPath, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        _refuse(f"expected a mapping, got {_kind(data)}", path)
    for key in data:
        if key not in keys:
            hint = suggest(str(key), keys) or f"known are {_listed(keys)}"
            _refuse(f"unknown key {key!r}", path, hint)
    return data


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(quote(keys))


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "nothing" if value is None else "something else")


def _refuse(message: str, path: KeyPath, hint: str = "") -> NoReturn:
    raise ScriptError(message, path, hint=hint)
