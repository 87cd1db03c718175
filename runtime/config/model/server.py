"""The sections `store`, `limits`, `server`, `reload` and `admin`: what the server needs beside agents and tools."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag, field_validator

from runtime.config.model.types import (
    Duration,
    ImportPath,
    PositiveDuration,
    Secret,
    Section,
    ShortFormSection,
    Size,
    by_key,
)

STORE_PATTERN = r"^(memory|sqlite:///.+|postgres(ql)?://.+|\$\{.+)$"


class UrlStore(ShortFormSection):
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


class TokenBudgets(Section):
    """How many tokens may be used, in and out; days are in UTC. A budget is looked at before a model is asked."""

    turn: int | None = Field(None, ge=1, examples=[50_000])
    """By one answer."""
    thread: int | None = Field(None, ge=1, examples=[500_000])
    """By one thread, ever."""
    day: int | None = Field(None, ge=1, examples=[200_000])
    """By each user, in a day."""
    all: int | None = Field(None, ge=1, examples=[5_000_000])
    """By all users together, in a day."""


BUDGET_PATTERN = r"^[1-9][0-9]{0,14}/(turn|thread|day)$"


class Limits(Section):
    """What a request, and an answer, may be at most."""

    body: Size = 1024 * 1024
    """The size of a request's body."""
    audio: Size = 25 * 1024 * 1024
    """The size of a recording for dictation."""
    message: Size = 32 * 1024
    """The size of a user's message, as UTF-8."""
    turn: PositiveDuration | None = Field(None, examples=["120s"])
    """How long an answer may take, its tools included. Then it ends with an error that invites to try again, and what
    was said so far is kept."""
    parallel_tools: int | None = Field(None, ge=1, examples=[4])
    """How many tools that a model calls at once run side by side; all of them when left out."""
    tokens: Annotated[str, Field(pattern=BUDGET_PATTERN)] | TokenBudgets | None = Field(
        None, examples=["200000/day", {"turn": 50_000, "day": 200_000}]
    )
    """How many tokens may be used; `200000/day` is short for `{day: 200000}`. When they are, the user gets a notice."""

    @property
    def budgets(self) -> TokenBudgets | None:
        """The budgets of tokens, whatever form they are written in."""
        if not isinstance(self.tokens, str):
            return self.tokens
        number, _, of = self.tokens.partition("/")
        return TokenBudgets.model_validate({of: int(number)})


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
    grace: Duration = Field(10.0, examples=["30s"])
    """How long running answers may take to end once the server was told to stop. Then they end with an error that
    invites to try again, and what was said so far is kept."""


class Reload(Section):
    """How an edit takes effect while answers are running: each answer ends on the version it began with."""

    generations: int = Field(8, ge=2, le=1000)
    """How many versions of the project may be alive at once: the one that serves, and older ones whose answers run."""
    at_limit: Literal["wait", "end_oldest"] = "wait"
    """What an edit does at that limit. `wait`: it takes effect once an old version has ended, and a reload that was
    asked for is answered with a 503. `end_oldest`: the answers of the oldest version end with an error that invites to
    try again."""


class Admin(Section):
    """Who may use the routes below `/-/`: whoever is on this machine, and whoever has the token."""

    token: Secret | None = Field(None, examples=["${ADMIN_TOKEN:-}"])
    """For the routes below `/-/`: whoever sends it as `Authorization: Bearer …` may use them; without it they answer
    on this machine alone. An empty one counts as none."""

    @field_validator("token")
    @classmethod
    def _no_token(cls, value: str | None) -> str | None:
        return value or None
