"""Instructions for a model: of agents, and of the judges, titles and summaries that are models, too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, Section, ShortFormSection, by_key


class InlineInstructions(ShortFormSection, short_key="text"):
    """Instructions written in the file itself."""

    text: str
    """The instructions; a template."""
    raw: bool = False
    """Use the text unchanged: no variables, no template."""


class FileInstructions(Section):
    """Instructions in a file of their own."""

    file: str = Field(min_length=1, examples=["prompts/concierge.md"])
    """The file, relative to the project folder; its text is a template."""
    raw: bool = False
    """Use the text unchanged: no template."""


class PythonInstructions(Section):
    """Instructions from Python: a string, or a `(context, agent)` function, sync or async."""

    python: ImportPath
    """The import path of the string or function."""


Instructions = Annotated[
    Annotated[InlineInstructions, Tag("text")]
    | Annotated[FileInstructions, Tag("file")]
    | Annotated[PythonInstructions, Tag("python")],
    by_key("file", "python", "text", short="text"),
]
