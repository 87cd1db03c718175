"""Instructions from the file, from a file of their own, or from Python -> what the SDK's Agent takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents import Agent, RunContextWrapper

from runtime.assemble.code import ProjectCode
from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.problems import BuildError
from runtime.config.files import ProjectFiles
from runtime.config.model import agents as declared
from runtime.config.template import Template, TemplateError
from runtime.diagnostics import Diagnostic

Instructions = str | Callable[..., Any] | None


def build_instructions(entry: declared.Instructions | None, files: ProjectFiles, code: ProjectCode) -> Instructions:
    """Return a string, or a function of the run's context where the text is a template or Python decides."""
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
    # A model sees one kind of line end, whatever the editor writes.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _from_python(path: str, code: ProjectCode) -> str | Callable[..., Any]:
    value = code.resolve(path)
    if not isinstance(value, str) and not callable(value):
        hint = "give a string or a function of (context, agent)"
        raise BuildError(f"{path!r} is {type(value).__name__}", hint, code="A324")
    return value  # type: ignore[no-any-return]  # str or callable: checked above


def _from_template(text: str) -> Instructions:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        raise BuildError(f"the instructions are no valid template: {error}") from error
    if template.is_constant:
        return str(template.render({}))

    def render(context: RunContextWrapper[RuntimeContext], agent: Agent[Any]) -> str:
        return str(template.render(scope_of(context.context)))

    return render
