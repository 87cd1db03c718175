"""The sections `store`, `limits` and `server`: where threads are kept, and how requests come in."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, Tag

from runtime.config.model.types import Entry, ImportPath, Secret, Section, Size, by_key

STORE_PATTERN = r"^(memory|sqlite:///.+|postgres(ql)?://.+|\$\{.+)$"


class UrlStore(Entry):
    """Threads in a database."""

    short_key: ClassVar[str] = "url"
    short_pattern: ClassVar[str | None] = STORE_PATTERN

    url: Secret = Field(pattern=STORE_PATTERN, examples=["sqlite:///.chatkit/threads.db", "memory"])
    """`memory`, `sqlite:///` with a file from the project folder, or `postgresql://…`."""


class PythonStore(Section):
    """Threads in a ChatKit Store of your own: the object, its class, or a function that returns it."""

    python: ImportPath
    """Where the store is."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the class or function."""


Store = Annotated[
    Annotated[UrlStore, Tag("url")] | Annotated[PythonStore, Tag("python")],
    by_key("python", "url", short="url"),
]


class Limits(Section):
    """What a request may be at most."""

    body: Size = 1024 * 1024
    """The size of a request's body."""
    message: Size = 32 * 1024
    """The size of a user's message, as UTF-8."""


class Server(Section):
    """How requests come in."""

    host: str = Field("127.0.0.1", min_length=1)
    """The address to listen on."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    path: str = Field("/chatkit", pattern=r"^/([A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*)?$")
    """Where ChatKit requests are posted."""
    cors: list[str] = Field([], examples=[["https://app.example.com"]])
    """Origins whose pages may call the server from a browser; `*` for any."""
