"""The user's input: lines from a terminal, from options or from a pipe, and the forms that are filled with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from runtime.cli.display import one_line
from runtime.cli.terminal.draw import Choice, FormField
from runtime.errors import UsageError


class TerminalLines:
    """Lines typed at the terminal, with the editing keys and the history of readline."""

    interactive = True

    def __init__(self) -> None:
        with suppress(ImportError):
            import readline  # noqa: F401  # importing it is what makes input() editable

    def ask(self, prompt: str) -> str | None:
        """Ask for a line; return None after Ctrl-D."""
        try:
            return input(prompt)
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()
            raise


class ScriptedLines:
    """Lines from options or a pipe; with `echo` each is printed after its prompt, so that the output is readable."""

    interactive = False

    def __init__(self, lines: Iterable[str], *, echo: bool) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._echo = echo

    def ask(self, prompt: str) -> str | None:
        """Return the next line, or None after the last."""
        line = next(self._lines, None)
        if line is not None and self._echo:
            print(f"{prompt}{line}", flush=True)
        return line


LineSource = TerminalLines | ScriptedLines


def choose_lines(messages: Sequence[str], *, echo: bool) -> LineSource:
    """Return the source of lines: `messages` if there are any, else the terminal, else piped standard input."""
    if messages:
        return ScriptedLines(messages, echo=echo)
    if sys.stdin is not None and sys.stdin.isatty():
        return TerminalLines()
    return ScriptedLines(_piped_lines(), echo=echo)


def _piped_lines() -> Iterator[str]:
    if sys.stdin is None:
        return
    # readline instead of iteration, which reads ahead: a program at the other end may wait for an answer.
    while line := sys.stdin.readline():
        if text := line.rstrip("\n").rstrip("\r"):
            yield text


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value, wrapped to distinguish `null` from no value."""

    value: Any


def fill_form(choice: Choice, extra: str, lines: LineSource, console: Console) -> Any:
    """Return the payload of a choice with the values of its inputs: from the JSON `extra`, asked for, or defaults.

    A person without `extra` is asked for every input; otherwise only required inputs without a default are asked for.
    """
    if not choice.fields and not extra:
        return choice.payload
    payload = dict(choice.payload) if isinstance(choice.payload, dict) else {}
    given = _object(extra) if extra else {}
    asks_all = lines.interactive and not extra
    for field in choice.fields:
        if field.name not in given:
            asks = asks_all or _is_needed(field)
            payload[field.name] = _ask_field(field, lines, console) if asks else field.default
    return {**payload, **given}


def read_json(prompt: str, lines: LineSource, console: Console) -> JsonValue | None:
    """Read a JSON value from the next line, or None if there is none; a person may try again."""
    while True:
        line = lines.ask(prompt)
        if line is None:
            return None
        try:
            return JsonValue(json.loads(line))
        except ValueError as error:
            if not lines.interactive:
                raise UsageError(f"{prompt.rstrip('> ')}: {line!r} is not JSON ({error})") from error
            console.print(f'not JSON: {error} (text needs quotes: "like this")', style="yellow")


def answer_questions(item: dict[str, Any], lines: LineSource, console: Console) -> dict[str, Any]:
    """Ask the questions of a structured input; return its submission, in which an empty answer is a skipped one."""
    answers = {question["id"]: _answer(question, lines, console) for question in item.get("inputs", [])}
    skipped = all(answer["skipped"] for answer in answers.values())
    return {"status": "skipped" if skipped else "answered", "answers": answers}


def _answer(question: dict[str, Any], lines: LineSource, console: Console) -> dict[str, Any]:
    console.print(one_line(question.get("question")), style="bold")
    if question.get("description"):
        console.print(one_line(question["description"]), style="dim")
    options = [str(option.get("value")) for option in question.get("options") or []]
    for number, option in enumerate(options, 1):
        console.print(f"  {number} {one_line(option)}")
    several = bool(question.get("multiple"))
    form = "numbers or text, separated by commas" if several else "number or text"
    text = lines.ask(f"{form if options else 'answer'} (empty skips)> ") or ""
    parts = [part.strip() for part in (text.split(",") if several else [text])]
    by_number = {str(number): option for number, option in enumerate(options, 1)}
    values = [by_number.get(part, part) for part in parts if part]
    return {"values": values, "skipped": not values}


def _ask_field(field: FormField, lines: LineSource, console: Console) -> Any:
    hint = f" ({', '.join(map(one_line, field.options))})" if field.options else ""
    default = f" [{one_line(field.default)}]" if field.default not in (None, "") else ""
    while True:
        line = lines.ask(f"{field.label}{hint}{default}: ")
        text = (line or "").strip()
        if not text and not _is_needed(field):
            return field.default
        if field.options == ("true", "false") and text:
            return text.lower() in ("true", "yes", "y", "1", "x")
        if text and (not field.options or text in field.options):
            return text
        problem = f"choose one of {', '.join(field.options)}" if text else "a value is required"
        if line is None or not lines.interactive:
            raise UsageError(f"{one_line(field.label)}: {problem}")
        console.print(problem, style="yellow")


def _is_needed(field: FormField) -> bool:
    return field.required and field.default in (None, "")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UsageError(f"{text!r} must be a JSON object")
    return value
