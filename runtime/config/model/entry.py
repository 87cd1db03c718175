"""The key `entry`: which agent answers a message."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from runtime.config.model.types import ImportPath, Section


class ChosenTool(Section):
    """The user has chosen this entry of the composer's tool menu."""

    tool: str = Field(min_length=1)
    """The id of one of `chat.composer.tools`."""


class Route(Section):
    """An agent that answers on a condition."""

    when: ChosenTool | str
    """A template that is one expression, such as `"{{ user.name == 'Ida' }}"`, or `{tool: …}`."""
    agent: str
    """The agent's name."""


class PythonEntry(Section):
    """A function of the turn's context, sync or async, that returns the agent's name."""

    python: ImportPath
    """Where the function is."""


def _kind(value: Any) -> str:
    if isinstance(value, (dict, PythonEntry)):
        return "python"
    return "routes" if isinstance(value, list) else "agent"


EntryRouting = Annotated[
    Annotated[str, Tag("agent")] | Annotated[list[Route | str], Tag("routes")] | Annotated[PythonEntry, Tag("python")],
    Discriminator(_kind),
]
"""An agent's name, a list of routes, or a function."""
