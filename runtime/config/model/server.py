"""The sections `store`, `server`, `reload` and `admin`: the settings of the server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag, field_validator

from runtime.config.model.types import (
    Duration,
    ImportPath,
    PositiveDuration,
    Roles,
    Secret,
    Section,
    ShortFormSection,
    by_key,
)

STORE_PATTERN = r"^(memory|sqlite:///.+|postgres(ql)?://.+|\$\{.+)$"
LOGIN_PATTERN = r"^(https?://[^\s/?#@\\]+([/?#][^\s\\]*)?|/([^/\\\s][^\\\s]*)?|\$\{.+)$"
KEY_PATTERN = r"^([A-Za-z0-9_-]{43}=|\$\{.+)$"


class UrlStore(ShortFormSection, short_key="url"):
    """Threads in a database."""

    url: Secret = Field(pattern=STORE_PATTERN, examples=["sqlite:///.chatkit/threads.db", "memory"])
    """`memory`, `sqlite:///` with a file relative to the project folder, or `postgresql://…`."""
    keep: PositiveDuration | None = Field(None, examples=["90d"])
    """How long a thread is kept after its last item. Then it is deleted, with its attachments. By default it is kept
    until its user deletes it."""
    encrypt: list[Annotated[Secret, Field(pattern=KEY_PATTERN)]] | None = Field(
        None, min_length=1, examples=[["${CHATKIT_KEY}"], ["${CHATKIT_KEY}", "${CHATKIT_OLD_KEY}"]]
    )
    """Keys that encrypt the items, titles and metadata of threads, and attachments. The first one encrypts, all of them
    decrypt. `chatkit-runtime data key` prints a new key."""
    connections: int = Field(10, ge=1, le=1_000, strict=True, examples=[20])
    """How many connections each process opens to PostgreSQL at most; one more hears of turns that end elsewhere."""
    timeout: PositiveDuration = Field(5.0, examples=["10s"])
    """How long work in PostgreSQL may take, with the wait for a connection. Then its request is answered with a 503."""


class PythonStore(Section):
    """Threads in a ChatKit Store of your own: the object, its class, or a function that returns it."""

    python: ImportPath
    """The import path of the store."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the class or function."""


Store = Annotated[
    Annotated[UrlStore, Tag("url")] | Annotated[PythonStore, Tag("python")], by_key("python", "url", short="url")
]


class ChatPage(Section):
    """The chat page that the server shows to people at `/`, and where they log in."""

    login: str | None = Field(None, pattern=LOGIN_PATTERN, examples=["https://login.example.com/", "/login"])
    """Where the page sends a user who is not logged in: an `https://` address, or a path of this site. Without it, the
    page asks for the token of `bearer` and `jwt`, and leaves the login of `header` to the proxy."""
    return_parameter: str = Field("return_to", pattern=r"^[A-Za-z0-9_.-]{1,64}$", examples=["rd"])
    """The parameter in which `login` is told the address of the page, to which it sends the user back."""


class Server(Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", min_length=1)
    """The address to listen on."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    path: str = Field("/chatkit", pattern=r"^/([A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*)?$")
    """The path of ChatKit requests."""
    cors: list[str] = Field([], examples=[["https://app.example.com"]])
    """Origins whose pages may call the server from a browser, the project's own `routes` included, and show its chat in
    a frame; `*` for any."""
    page: bool | ChatPage = False
    """Whether `/` shows the chat page to people: true, or the login of its users. `dev` always shows it."""
    grace: Duration = Field(10.0, examples=["30s"])
    """How long running answers may continue after the server was asked to stop. After that they end with an error that
    offers a retry, and the output so far is kept."""

    @property
    def chat_page(self) -> ChatPage | None:
        """Return the chat page of either form; None if there is none."""
        return self.page if isinstance(self.page, ChatPage) else ChatPage() if self.page else None


class RouteEntry(ShortFormSection, short_key="python"):
    """A FastAPI router of your own, and who may use its routes: every user by default."""

    python: ImportPath
    """The import path of the router."""
    public: bool = False
    """Whether everybody may use the routes, without a login."""
    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user needs one."""


class Reload(Section):
    """How an edit takes effect while answers are running: each answer finishes on the version that it began with."""

    generations: int = Field(8, ge=2, le=1000)
    """How many versions of the project may exist at once: the current one, and older ones with running answers."""
    watch: list[Annotated[str, Field(min_length=1)]] = []
    """More files to watch, by name or by a pattern such as `data/*.json`: those that the project's Python reads. An
    edit of one loads the Python again."""
    at_limit: Literal["wait", "end_oldest"] = "wait"
    """What an edit does at that limit. `wait`: it takes effect when an old version has ended, and a requested reload is
    answered with a 503. `end_oldest`: the answers of the oldest version end with an error that offers a retry."""


class Admin(Section):
    """Who may use the routes below `/-/`: clients on this machine, and clients with the token."""

    token: Secret | None = Field(None, examples=["${ADMIN_TOKEN:-}"])
    """The token that allows a client to use the routes below `/-/`, sent as `Authorization: Bearer …`. Without a token,
    they answer only clients on this machine. An empty token counts as none."""

    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user of `auth` needs one to use the routes below `/-/`; by default no user may."""

    @field_validator("token")
    @classmethod
    def _no_token(cls, value: str | None) -> str | None:
        return value or None
