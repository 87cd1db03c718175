"""Instructions of agents, judges, titles and summaries -> a string, or a function that the SDK calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, RunContextWrapper

from runtime.assemble.context import scope_of
from runtime.assemble.problems import BuildError
from runtime.config.model import instructions as declared
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

Instructions = str | Callable[..., Any] | None
"""What the SDK takes: a text, or a function of (context, agent), sync or async."""


def build_instructions(entry: declared.Instructions | None, files: ProjectFiles, code: ProjectCode) -> Instructions:
    """Return the Agent's instructions: a string, or a function for templates and Python. Raise BuildError."""
    match entry:
        case None:
            return None
        case declared.PythonInstructions():
            return _from_python(entry.python, code)
        case declared.FileInstructions():
            text, raw = _read(files, entry.file), entry.raw
        case declared.InlineInstructions():
            text, raw = entry.text, entry.raw
    return text if raw else _from_template(text)


def _read(files: ProjectFiles, name: str) -> str:
    text = files.read(name)
    if isinstance(text, Diagnostic):
        raise BuildError(text.message, text.hint)
    # The text for the model must not depend on the editor's line ends.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _from_python(path: str, code: ProjectCode) -> str | Callable[..., Any]:
    value = code.resolve(path)
    if not isinstance(value, str) and not callable(value):
        raise BuildError(
            f"{path!r} is {type(value).__name__}", "give a string or a function of (context, agent)", code="A324"
        )
    return value  # type: ignore[no-any-return]  # str or callable: checked above


def _from_template(text: str) -> Instructions:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        raise BuildError(f"the instructions are no valid template: {error}") from error
    if template.is_constant:
        return str(template.render({}))

    def render(context: RunContextWrapper[Any], agent: Agent[Any]) -> str:
        return str(template.render(scope_of(context.context)))

    return render
