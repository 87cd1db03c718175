"""Ask for what an answer needs: the inputs of a form, the result of a client tool, the answers to questions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from runtime.cli.terminal.draw import Choice, Field
from runtime.cli.terminal.input import Lines
from runtime.cli.terminal.plain import one_line
from runtime.errors import UsageError


@dataclass(frozen=True, slots=True)
class Result:
    """A JSON value; wrapped, because `null` is one too."""

    value: Any


def fill_form(choice: Choice, extra: str, lines: Lines, console: Console) -> Any:
    """The payload of a choice, with the values of its inputs: from the JSON `extra`, asked for, or their defaults.

    A person is asked for every input, unless there is JSON; otherwise only what is required and has no default is.
    """
    if not choice.fields and not extra:
        return choice.payload
    payload = dict(choice.payload) if isinstance(choice.payload, dict) else {}
    given = _object(extra) if extra else {}
    asks_all = lines.interactive and not extra
    for one in choice.fields:
        if one.name not in given:
            payload[one.name] = _ask_field(one, lines, console) if asks_all or _needed(one) else one.default
    return {**payload, **given}


def read_json(prompt: str, lines: Lines, console: Console) -> Result | None:
    """A JSON value from the next line; a person may try again, and None means that nobody answers."""
    while True:
        line = lines.ask(prompt)
        if line is None:
            return None
        try:
            return Result(json.loads(line))
        except ValueError as error:
            if not lines.interactive:
                raise UsageError(f"{prompt.rstrip('> ')}: {line!r} is not JSON ({error})") from error
            console.print(f'not JSON: {error} (text needs quotes: "like this")', style="yellow")


def answer_questions(item: dict[str, Any], lines: Lines, console: Console) -> dict[str, Any]:
    """Ask the questions of a structured input; the protocol's submission, with each empty answer skipped."""
    answers = {question["id"]: _answer(question, lines, console) for question in item.get("inputs", [])}
    skipped = all(answer["skipped"] for answer in answers.values())
    return {"status": "skipped" if skipped else "answered", "answers": answers}


def _answer(question: dict[str, Any], lines: Lines, console: Console) -> dict[str, Any]:
    console.print(one_line(question.get("question")), style="bold")
    if question.get("description"):
        console.print(one_line(question["description"]), style="dim")
    options = [str(option.get("value")) for option in question.get("options") or []]
    for number, option in enumerate(options, 1):
        console.print(f"  {number} {one_line(option)}")
    several = bool(question.get("multiple"))
    line = lines.ask(f"{_how_to_answer(options, several)}> ")
    said = (line or "").strip()
    parts = [part.strip() for part in said.split(",")] if several else [said]
    values = [_option(part, options) for part in parts if part]
    return {"values": values, "skipped": not values}


def _how_to_answer(options: list[str], several: bool) -> str:
    if not options:
        return "answer (empty skips)"
    return "numbers or text, with commas (empty skips)" if several else "number or text (empty skips)"


def _option(text: str, options: list[str]) -> str:
    return options[int(text) - 1] if text.isdigit() and 1 <= int(text) <= len(options) else text


def _ask_field(one: Field, lines: Lines, console: Console) -> Any:
    hint = f" ({', '.join(map(one_line, one.options))})" if one.options else ""
    default = f" [{one_line(one.default)}]" if one.default not in (None, "") else ""
    while True:
        line = lines.ask(f"{one.label}{hint}{default}: ")
        said = (line or "").strip()
        if not said and not _needed(one):
            return one.default
        if one.options == ("true", "false") and said:
            return said.lower() in ("true", "yes", "y", "1", "x")
        if said and (not one.options or said in one.options):
            return said
        problem = f"choose one of {', '.join(one.options)}" if said else "this one is needed"
        if line is None or not lines.interactive:
            raise UsageError(f"{one_line(one.label)}: {problem}")
        console.print(problem, style="yellow")


def _needed(one: Field) -> bool:
    return one.required and one.default in (None, "")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UsageError(f"{text!r} must be a JSON object")
    return value
