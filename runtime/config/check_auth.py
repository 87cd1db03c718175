"""Cross-checks of `auth`, of the login of the chat page, and of the roles that parts of the project require."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.auth import (
    SHARED_ALGORITHMS,
    BearerAuth,
    BearerToken,
    BearerUser,
    HeaderAuth,
    JwtAuth,
    JwtSettings,
    PythonAuth,
)
from runtime.config.project_files import ProjectFiles
from runtime.config.references import find_values
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath

RESERVED_ID = "local"
"""The owner of everything that is written without a login."""
SHORTEST_TOKEN = 32
"""Characters: a random token of 128 bits in hexadecimal digits."""
HASHED_TOKEN = re.compile(r"sha256:[0-9a-f]{64}")
_KEYS = ("jwks_url", "key_file", "key")
_ROLES = ("agents.*.roles", "tools.*.roles", "mcp.*.roles", "actions.*.roles", "routes.*.roles", "admin.roles")


def check_auth(config: Config, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    """Report logins that can't work, tokens that are easy to guess, and roles that nobody has."""
    match config.auth:
        case BearerAuth(bearer=users):
            _check_bearer(users, collector)
        case JwtAuth(jwt=settings):
            _check_jwt(settings, collector)
            if settings.key_file is not None and isinstance(text := files.read(settings.key_file), Diagnostic):
                collector.add(text, ("auth", "jwt", "key_file"))
        case HeaderAuth(header=headers):
            for index, proxy in enumerate(headers.proxies):
                _check_network(proxy, ("auth", "header", "proxies", index), collector)
    for index, route in enumerate(config.routes):
        if route.public and route.roles:
            message = "a public route has no user, so nobody has the roles"
            collector.report("A271", ("routes", index, "public"), message, "remove 'public', or 'roles'", at_key=True)
    _check_page(config, collector)
    _check_roles(config, collector)


def _check_bearer(users: dict[str, BearerUser], collector: DiagnosticCollector) -> None:
    owners: dict[bytes, str] = {}
    for name, user in users.items():
        path: KeyPath = ("auth", "bearer", name)
        if name == RESERVED_ID or not name.strip():
            message = f"{name!r} can't be the id of a user"
            collector.report("A271", path, message, "it owns what is written without a login", at_key=True)
        if user.token is None and not user.tokens:
            collector.report("A271", path, f"the user {name!r} has no token", "add 'token' or 'tokens'", at_key=True)
        for token, at in _tokens(user, path):
            if not token.token:
                continue
            _check_token(token, at, collector)
            owner = owners.setdefault(_hash_of(token.token), name)
            if owner != name:
                message = f"the users {owner!r} and {name!r} have the same token"
                collector.report("A271", at, message, "give each user a token of their own: `chatkit-runtime token`")


def _tokens(user: BearerUser, path: KeyPath) -> Iterator[tuple[BearerToken, KeyPath]]:
    if user.token is not None:
        yield BearerToken(token=user.token, expires=user.expires), (*path, "token")
    for index, token in enumerate(user.tokens):
        yield token, (*path, "tokens", index, "token")


def _hash_of(token: str) -> bytes:
    if HASHED_TOKEN.fullmatch(token):
        return bytes.fromhex(token.partition(":")[2])
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _check_token(token: BearerToken, path: KeyPath, collector: DiagnosticCollector) -> None:
    is_hash = HASHED_TOKEN.fullmatch(token.token) is not None
    if token.token.startswith("sha256:") and not is_hash:
        hint = "`chatkit-runtime token` prints a token and its hash"
        collector.report("A271", path, "a SHA-256 has 64 digits 0 to 9 and a to f", hint)
    elif not is_hash and not (token.token.isascii() and token.token.isprintable() and " " not in token.token):
        collector.report("A271", path, "a header can't carry this token", "use letters, digits, '-' and '_'")
    elif not is_hash and len(token.token) < SHORTEST_TOKEN:
        message = f"the token is easy to guess: it has less than {SHORTEST_TOKEN} characters"
        collector.report("A272", path, message, "make one with `chatkit-runtime token`", severity="warning")
    if token.expires is not None:
        at: KeyPath = (*path[:-1], "expires")
        try:
            moment = datetime.fromisoformat(token.expires)
        except ValueError as error:
            collector.report("A271", at, f"{token.expires!r} is no moment: {error}")
            return
        if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= datetime.now(UTC):
            collector.report("A272", at, "the token has expired", "remove it, or make a new one", severity="warning")


def _check_jwt(settings: JwtSettings, collector: DiagnosticCollector) -> None:
    path: KeyPath = ("auth", "jwt")
    given = [key for key in _KEYS if getattr(settings, key)]
    if len(given) != 1:
        message = "nothing says where the keys are" if not given else f"{given[0]!r} and {given[1]!r} contradict"
        collector.report("A271", path, message, "give one of 'jwks_url', 'key_file' and 'key'", at_key=True)
    shared = [name for name in settings.algorithms if name in SHARED_ALGORITHMS]
    if shared and (len(shared) < len(settings.algorithms) or "key" not in given):
        message = f"{shared[0]!r} signs with a shared key, which must not be mixed with public ones"
        hint = "name the algorithm of the public keys, such as RS256; an HS… algorithm needs 'key' and nothing else"
        collector.report("A271", (*path, "algorithms"), message, hint)
    if settings.jwks_url is not None and not _is_safe(settings.jwks_url):
        message = "the keys must come over https, or from this machine: others could replace them on the way"
        collector.report("A271", (*path, "jwks_url"), message)
    if not settings.audiences or not all(settings.audiences):
        message = "without an audience, a token for another service would be accepted"
        collector.report("A271", (*path, "audience"), message)


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_page(config: Config, collector: DiagnosticCollector) -> None:
    page, path = config.server.chat_page, ("server", "page")
    if page is None:
        return
    if page.login is None:
        if isinstance(config.auth, PythonAuth):
            message = "the page can't log users in: only 'auth.python' knows how"
            collector.report("A274", path, message, "add 'login': where users log in", severity="warning", at_key=True)
        return
    at = (*path, "login")
    if config.auth == "none":
        message = "nobody is sent to the login: with `auth: none` there is one user, and no other is answered"
        collector.report("A274", at, message, "remove 'login'", severity="warning")
    if not page.login.startswith(("/", "${")) and not _is_safe(page.login):
        message = "the login must have an https address, or be on this machine: others could replace it on the way"
        collector.report("A271", at, message, "write https://…, or the path of a login on this site: /login")


def _check_network(proxy: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    if proxy == "unix":
        return
    try:
        network = ipaddress.ip_network(proxy.strip())
    except ValueError:
        hint = "such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, with zeros behind the prefix"
        collector.report("A271", path, f"{proxy!r} is no address and no network", hint)
        return
    if network.prefixlen == 0:
        message = "everybody may connect from this network, and name any user in a header"
        collector.report("A272", path, message, "name the addresses of the proxy alone", severity="warning")


def _check_roles(config: Config, collector: DiagnosticCollector) -> None:
    known = _known_roles(config)
    if known is None:
        return
    for pattern in _ROLES:
        for roles, path in find_values(config, pattern):
            for index, role in enumerate(roles or ()):
                if role not in known:
                    _report_role(config, role, (*path, index), known, collector)


def _report_role(config: Config, role: str, path: KeyPath, known: set[str], collector: DiagnosticCollector) -> None:
    match config.auth:
        case BearerAuth():
            hint = "give it to a user in 'auth.bearer'"
        case HeaderAuth():
            hint = "name the header of the roles in 'auth.header.roles'"
        case JwtAuth():
            hint = "name the claim of the roles in 'auth.jwt.claims.roles'"
        case _:
            hint = "`auth: none` has one user, without roles"
    if known:
        hint = f"{hint}; there are: {', '.join(map(repr, sorted(known)))}"
    collector.report("A273", path, f"no user has the role {role!r}", hint, severity="warning")


def _known_roles(config: Config) -> set[str] | None:
    """Return the roles that users can have; None if only requests show them."""
    match config.auth:
        case BearerAuth(bearer=users):
            return {role for user in users.values() for role in user.roles}
        case JwtAuth(jwt=settings):
            return None if settings.claims.roles is not None else set()
        case HeaderAuth(header=headers):
            return None if headers.roles is not None else set()
        case "none":
            return set()
        case PythonAuth() | None:
            return None
