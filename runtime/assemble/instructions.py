"""Instructions of agents, judges, titles and summaries -> a string, or a function that the SDK calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, RunContextWrapper

from runtime.assemble.context import scope_of
from runtime.assemble.functions import ProjectFunctions
from runtime.assemble.problems import BuildError
from runtime.config.model import instructions as declared
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.documents.untrusted import clean
from runtime.errors import RuntimeFault
from runtime.templates.template import Template, TemplateError

Instructions = str | Callable[..., Any] | None
"""What the SDK takes: a text, or a function of (context, agent), sync or async."""


class InstructionsError(RuntimeFault):
    """The instructions at a key path can't be rendered; `file` is their own file, or empty."""

    def __init__(self, path: KeyPath, file: str, error: TemplateError) -> None:
        self.path, self.file, self.line, self.column = path, file, error.line, error.column
        super().__init__(f"{path_text(path)} can't be rendered: {error.message}")


def build_instructions(
    entry: declared.Instructions | None, files: ProjectFiles, functions: ProjectFunctions, path: KeyPath
) -> Instructions:
    """Return the instructions at a key path: a string, or a function for templates and Python. Raise BuildError."""
    match entry:
        case None:
            return None
        case declared.PythonInstructions():
            return _from_python(entry.python, functions)
        case declared.FileInstructions():
            text, raw, file = _read(files, entry.file), entry.raw, entry.file
        case declared.InlineInstructions():
            text, raw, file = entry.text, entry.raw, ""
    return text if raw else _from_template(text, path, file)


def _read(files: ProjectFiles, name: str) -> str:
    text = files.read(name)
    if isinstance(text, Diagnostic):
        raise BuildError(text.message, text.hint)
    # The text for the model must not depend on the editor's line ends.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _from_python(path: str, functions: ProjectFunctions) -> str | Callable[..., Any]:
    value = functions.code.resolve(path)
    if not isinstance(value, str) and not callable(value):
        raise BuildError(
            f"{path!r} is {type(value).__name__}", "give a string or a function of (context, agent)", code="A324"
        )
    return value if isinstance(value, str) else functions.limited(value, path)


def _from_template(text: str, path: KeyPath, file: str) -> Instructions:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        raise BuildError(f"the instructions are no valid template: {error}") from error
    if template.is_constant:
        return str(template.render({}))

    def render(context: RunContextWrapper[Any], agent: Agent[Any]) -> str:
        try:
            return clean(str(template.render(scope_of(context.context))))
        except TemplateError as error:
            raise InstructionsError(path, file, error) from error

    return render
