"""The section `auth`: who the users are, and how a request proves whose it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import Duration, ImportPath, PositiveDuration, Secret, Section, ShortFormSection, by_key

EXPIRES_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2}))?$"
HEADER_PATTERN = r"^[A-Za-z0-9_-]+$"
JWKS_PATTERN = r"^(https?://.+|\$\{.+)$"
SHARED_ALGORITHMS = ("HS256", "HS384", "HS512")
"""The algorithms of JWTs that are signed and checked with one shared key."""

Expires = Annotated[str, Field(pattern=EXPIRES_PATTERN)]
"""The moment from which a token is refused: a day, from its first minute in UTC, or a time with a zone."""


class BearerToken(ShortFormSection, short_key="token"):
    """One token of a user."""

    token: Secret
    """The token, as `${NAME}`, or its SHA-256 as `sha256:…`; `chatkit-runtime token` makes both."""
    expires: Expires | None = None
    """When the token is refused: a day, from its first minute in UTC, or a time such as `2027-01-31T12:00Z`."""


class BearerUser(ShortFormSection, short_key="token", short_needed=False):
    """A user who sends a token as `Authorization: Bearer …`; the key of the entry is their id."""

    token: Secret | None = None
    """The token, as `${NAME}`, or its SHA-256 as `sha256:…`; `chatkit-runtime token` makes both."""
    expires: Expires | None = None
    """When `token` is refused: a day, from its first minute in UTC, or a time such as `2027-01-31T12:00Z`."""
    tokens: list[BearerToken] = []
    """Several tokens, each with its own expiry: the new one and the old one while clients change."""
    name: str | None = Field(None, min_length=1)
    """The user's name."""
    roles: list[str] = []
    """The user's roles."""

    @property
    def all_tokens(self) -> list[BearerToken]:
        """Return the tokens of both forms; an empty one counts as none."""
        single = [] if self.token is None else [BearerToken(token=self.token, expires=self.expires)]
        return [token for token in (*single, *self.tokens) if token.token]


class BearerAuth(Section):
    """Named users with tokens of their own, for scripts, services and small teams."""

    bearer: dict[str, BearerUser] = Field(min_length=1)
    """The users by id."""


class JwtClaims(Section):
    """Which claims of a token name the user; a dotted path leads into a nested claim."""

    id: str = Field("sub", min_length=1)
    """The claim of the user's id, which owns the threads."""
    name: str = Field("name", min_length=1)
    """The claim of the user's name."""
    roles: str | None = Field(None, min_length=1)
    """The claim of the user's roles: a list of texts, or a text with spaces between them."""


class JwtSettings(Section):
    """Which tokens are accepted. The keys are those of `jwks_url`, `key_file` or `key`."""

    jwks_url: str | None = Field(None, pattern=JWKS_PATTERN)
    """The address of the identity provider's keys (JWKS). They are cached, and fetched again when a token names a new
    one."""
    key_file: str | None = Field(None, min_length=1)
    """A file with the public key (PEM) or with keys (JWKS), relative to the project folder."""
    key: Secret | None = None
    """The public key (PEM), or the shared key of an `HS…` algorithm, as `${NAME}`."""
    issuer: str = Field(min_length=1)
    """The `iss` of every token: who issued it."""
    audience: str | list[str]
    """The `aud` of every token, or several of which one must match: whom it is for."""
    algorithms: list[
        Literal[
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
            "HS256", "HS384", "HS512",
        ]
    ] = Field(["RS256"], min_length=1)  # fmt: skip
    """The signature algorithms that are accepted; a token with another one is refused."""
    leeway: Duration = Field(30.0, le=300)
    """How far the clocks of the issuer and of this server may differ."""
    claims: JwtClaims = Field(default_factory=JwtClaims)
    """Which claims name the user."""

    @property
    def audiences(self) -> list[str]:
        """Return the audiences of either form."""
        return [self.audience] if isinstance(self.audience, str) else self.audience


class JwtAuth(Section):
    """The users of an identity provider, by the JSON Web Token that they send as `Authorization: Bearer …`."""

    jwt: JwtSettings
    """Which tokens are accepted."""


class ProxyHeaders(Section):
    """The headers in which a proxy names the user whom it has logged in. The proxy must remove them from requests."""

    user: str = Field(pattern=HEADER_PATTERN)
    """The header of the user's id, such as `X-Forwarded-User`."""
    name: str | None = Field(None, pattern=HEADER_PATTERN)
    """The header of the user's name."""
    roles: str | None = Field(None, pattern=HEADER_PATTERN)
    """The header of the user's roles, separated by commas."""
    proxies: list[str] = Field(min_length=1)
    """The addresses or networks from which the proxy connects, such as `10.0.0.0/8`; `unix` for a Unix socket. Requests
    from elsewhere are refused."""


class HeaderAuth(Section):
    """The users of a proxy in front of the server, such as oauth2-proxy."""

    header: ProxyHeaders
    """The proxy, and the headers that it sets."""


class PythonAuth(Section):
    """The user by a function of your own, for example from the session of the application around it."""

    python: ImportPath
    """A function of the Starlette request, sync or async. It returns a `runtime.User`, a mapping with `id` and
    optionally `name`, `roles` and `claims`, or the id alone; None refuses the request with a 401."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the function."""
    timeout: PositiveDuration = Field(10.0, examples=["3s"])
    """How long the function may take; then the request is refused with a 503."""


Auth = Annotated[
    Annotated[Literal["none"], Tag("none")]
    | Annotated[BearerAuth, Tag("bearer")]
    | Annotated[JwtAuth, Tag("jwt")]
    | Annotated[HeaderAuth, Tag("header")]
    | Annotated[PythonAuth, Tag("python")],
    by_key("bearer", "jwt", "header", "python", short="none"),
]
