"""The section `auth`: who the users are, and how a request proves whose it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, Section, by_key


class PythonAuth(Section):
    """The user by a function of your own, for example from the session of the application around it."""

    python: ImportPath
    """A function of the Starlette request, sync or async. It returns a `runtime.User`, a mapping with `id` and
    optionally `name`, `roles` and `claims`, or the id alone; None refuses the request with a 401."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the function."""


Auth = Annotated[
    Annotated[Literal["none"], Tag("none")] | Annotated[PythonAuth, Tag("python")], by_key("python", short="none")
]
