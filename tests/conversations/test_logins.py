"""The kinds of login that `auth` declares: bearer tokens, JSON Web Tokens, and the headers of a proxy."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.logins import (
    AUDIENCE,
    ISSUER,
    Provider,
    bearer,
    ec_key,
    identity_provider,
    public_pem,
    rsa_key,
    token,
)
from tests.conversations.talking import Client, Exchange

SAY_USER = """
async def act(ctx, action, sender):
    user = ctx.context.user
    await ctx.context.say(f"{user.id} {user.name} {list(user.roles)}")
"""
ACTS: dict[str, Any] = {"actions": {"act": "acts:act"}}
ADA, BOB = "ada-token-" + "a" * 32, "bob-token-" + "b" * 32


async def _who(client: Client, headers: dict[str, str]) -> str:
    """Return who the server takes the sender of these headers for."""
    client.headers = headers
    thread = (await client.say("hi")).thread_id
    return str((await client.act(thread, "act")).said[0])


async def _list(client: Client, headers: dict[str, str]) -> Exchange:
    return await client.call("threads.list", headers)


async def _refused(client: Client, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> str:
    """Check that the server refuses a request as it refuses all; return the reason in the log."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "runtime.server"):
        answer = await _list(client, headers)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (401, "unauthenticated", "log in first")
    assert answer.headers.get("www-authenticate", "Bearer").startswith("Bearer")
    [line] = [record.getMessage() for record in caplog.records if "is not authenticated" in record.getMessage()]
    assert answer.error["request_id"] in line
    for value in headers.values():
        assert value.removeprefix("Bearer ") not in line or len(value) < 20
    return line.partition("is not authenticated: ")[2]


def _bearer_config(**more: Any) -> dict[str, Any]:
    users = {
        "ada": {"token": "${ADA}", "name": "Ada", "roles": ["admin"]},
        "bob": {"tokens": ["${BOB}", *more.pop("old", ())]},
    }
    return {"auth": {"bearer": users}}


async def test_a_bearer_token_names_its_user_also_as_a_hash_and_one_of_several(chat: MakeChat) -> None:
    old = f"sha256:{hashlib.sha256(b'the-old-token').hexdigest()}"
    client = await chat(_bearer_config(old=[old]) | ACTS, environ={"ADA": ADA, "BOB": BOB}, acts_py=SAY_USER)
    assert await _who(client, bearer(ADA)) == "ada Ada ['admin']"
    assert await _who(client, bearer(BOB)) == "bob None []"
    assert await _who(client, bearer("the-old-token")) == "bob None []"
    assert await _who(client, {"authorization": f"bearer  {ADA} "}) == "ada Ada ['admin']"


async def test_any_other_token_is_refused_and_the_log_says_why(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    expired = {"token": "the-expired-token", "expires": "2020-01-01"}
    client = await chat(_bearer_config(old=[expired]) | ACTS, environ={"ADA": ADA, "BOB": BOB}, acts_py=SAY_USER)
    for headers, reason in (
        ({}, "it has no Authorization header"),
        (bearer(""), "has no bearer token"),
        ({"authorization": f"Basic {ADA}"}, "has no bearer token"),
        (bearer("x" * 20_000), "its token is longer than"),
        (bearer(ADA[:-1]), "its token is unknown"),
        (bearer(ADA.upper()), "its token is unknown"),
        (bearer(f"sha256:{hashlib.sha256(ADA.encode()).hexdigest()}"), "its token is unknown"),
        (bearer("the-expired-token"), "the token of 'bob' has expired"),
    ):
        assert reason in await _refused(client, headers, caplog)


async def test_an_empty_variable_is_no_token(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    config = {"auth": {"bearer": {"ada": "${ADA:-}", "bob": "${BOB}"}}}
    client = await chat(config, environ={"BOB": BOB})
    assert "no bearer token" in await _refused(client, bearer(""), caplog)
    assert (await _list(client, bearer(BOB))).status == 200


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider("first") as served:
        yield served


def _jwt_config(provider: Provider | None = None, **more: Any) -> dict[str, Any]:
    keys = {"jwks_url": provider.url} if provider is not None else {}
    return {"auth": {"jwt": {**keys, "issuer": ISSUER, "audience": AUDIENCE, **more}}}


async def test_a_token_of_the_provider_names_the_user(chat: MakeChat, provider: Provider) -> None:
    claims = {"id": "email", "roles": "realm_access.roles"}
    client = await chat(_jwt_config(provider, claims=claims) | ACTS, acts_py=SAY_USER)
    given = token(email="ada@example.com", realm_access={"roles": ["admin", 5, "editor"]}, aud=["other", AUDIENCE])
    assert await _who(client, bearer(given)) == "ada@example.com Ada ['admin', 'editor']"
    assert provider.fetched == 1


async def test_roles_may_be_a_text_and_an_id_a_number(chat: MakeChat, provider: Provider) -> None:
    client = await chat(_jwt_config(provider, claims={"id": "uid", "roles": "scope"}) | ACTS, acts_py=SAY_USER)
    assert await _who(client, bearer(token(uid=7, scope="read write", name=None))) == "7 None ['read', 'write']"


def _unsigned(**header: Any) -> str:
    parts = [{"typ": "JWT", **header}, {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": 9_999_999_999}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


REFUSED = {
    "expired": (lambda: token(exp=int(time.time()) - 31), "Signature has expired"),
    "without an expiry": (lambda: token(exp=None), 'missing the "exp" claim'),
    "not yet valid": (lambda: token(nbf=int(time.time()) + 100), "not yet valid"),
    "of another issuer": (lambda: token(iss="https://evil.example/"), "Invalid issuer"),
    "without an issuer": (lambda: token(iss=None), 'missing the "iss" claim'),
    "for another audience": (lambda: token(aud="mail"), "Audience doesn't match"),
    "without an audience": (lambda: token(aud=None), 'missing the "aud" claim'),
    "signed by another": (lambda: token(secret=rsa_key("evil")), "Signature verification failed"),
    "of an unknown key": (lambda: token("evil"), "signed with an unknown key"),
    "unsigned": (lambda: _unsigned(alg="none", kid="first"), "alg value is not allowed"),
    "unsigned in capitals": (lambda: _unsigned(alg="NONE", kid="first"), "alg value is not allowed"),
    "signed with the public key as a secret": (
        lambda: token(algorithm="HS256", secret="x" * 40),
        "alg value is not allowed",
    ),
    "of another algorithm": (lambda: token(algorithm="RS512"), "alg value is not allowed"),
    "of another kind of key": (lambda: token(algorithm="ES256", secret=ec_key("e")), "alg value is not allowed"),
    "with a key of its own": (
        lambda: token(secret=rsa_key("evil"), headers={"jku": "http://evil.example/keys"}),
        "Signature verification failed",
    ),
    "without an id": (lambda: token(sub=None), "the claim 'sub' of its token is NoneType"),
    "with an empty id": (lambda: token(sub=" "), "the claim 'sub' of its token is empty"),
    "with a list as its id": (lambda: token(sub=["ada"]), "the claim 'sub' of its token is list"),
    "with an expiry that is too large": (lambda: token(exp=10**400), "its token is refused"),
    "with a line break in its id": (lambda: token(sub="a\nb"), "can't be printed"),
    "that is none": (lambda: "a.b.c", "is no JSON Web Token"),
    "that is nested": (lambda: f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.e30", "no JSON Web Token"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_token_is_refused(
    chat: MakeChat, provider: Provider, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    make, reason = REFUSED[kind]
    client = await chat(_jwt_config(provider))
    assert reason in await _refused(client, bearer(make()), caplog)


async def test_a_claim_that_is_nested_deep_is_no_fault_of_the_server(chat: MakeChat, provider: Provider) -> None:
    client = await chat(_jwt_config(provider))
    # How deep JSON may be depends on the version of Python.
    assert (await _list(client, bearer(token(deep=_nested(700))))).status in (200, 401)


async def test_a_clock_may_be_a_little_wrong(chat: MakeChat, provider: Provider) -> None:
    client = await chat(_jwt_config(provider, leeway="60s"))
    for claims in ({"exp": int(time.time()) - 40}, {"nbf": int(time.time()) + 40}, {"iat": int(time.time()) + 40}):
        assert (await _list(client, bearer(token(**claims)))).status == 200


async def test_a_provider_that_is_down_does_not_stop_the_start_and_gives_503(
    chat: MakeChat, provider: Provider
) -> None:
    provider.status = 500
    client = await chat(_jwt_config(provider))
    answer = await _list(client, bearer(token()))
    assert (answer.status, answer.error["code"]) == (503, "login_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_keys_may_come_from_a_file_or_from_a_variable(chat: MakeChat) -> None:
    by_file = await chat(_jwt_config(key_file="login.pem"), name="file", **{"login.pem": public_pem("first")})
    by_variable = await chat(_jwt_config(key="${KEY}"), name="variable", environ={"KEY": public_pem("first")})
    for client in (by_file, by_variable):
        assert (await _list(client, bearer(token()))).status == 200
        assert (await _list(client, bearer(token("evil", headers={"kid": "first"})))).status == 401


async def test_a_shared_key_is_for_its_algorithm_alone(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    secret = "s" * 64
    client = await chat(_jwt_config(key="${KEY}", algorithms=["HS256"]), environ={"KEY": secret})
    assert (await _list(client, bearer(token(algorithm="HS256", secret=secret)))).status == 200
    assert "verification failed" in await _refused(client, bearer(token(algorithm="HS256", secret="t" * 64)), caplog)
    assert "not allowed" in await _refused(client, bearer(token(algorithm="HS512", secret=secret)), caplog)
    assert "not allowed" in await _refused(client, bearer(token()), caplog)


PROXY = {
    "auth": {"header": {"user": "X-User", "name": "X-Name", "roles": "X-Groups", "proxies": ["127.0.0.0/8"]}},
}


async def test_a_proxy_names_the_user_in_its_headers(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    client = await chat(PROXY | ACTS, acts_py=SAY_USER)
    headers = {"x-user": "ada", "x-name": "Adá", "x-groups": "admin, editor,"}
    assert await _who(client, headers) == "ada Adá ['admin', 'editor']"
    assert await _who(client, {"x-user": "bob", "x-forwarded-for": "203.0.113.7"}) == "bob None []"
    client.headers = {}
    assert "it has no header 'X-User'" in await _refused(client, {}, caplog)
    assert "it has no header 'X-User'" in await _refused(client, {"x-user": " "}, caplog)


def _from(client: Chat, address: Any, *more: tuple[bytes, bytes]) -> Client:
    async def reached(scope: Any, receive: Any, send: Any) -> None:
        await client.app({**scope, "client": address, "headers": [*scope["headers"], *more]}, receive, send)

    return Client(reached)


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("address", "more", "reason"),
    [
        (("203.0.113.7", 1), (), "its sender 203.0.113.7 is none of `proxies`"),
        (("::1", 1), (), "its sender ::1 is none of `proxies`"),
        (None, (), "its sender has no address"),
        (("testclient", 1), (), "is no IP address"),
        (("127.0.0.1", 1), ((b"x-user", b"eve"),), "it has the header 'X-User' 2 times"),
        (("127.0.0.1", 1), ((b"x-groups", b"admin"), (b"x-groups", b"")), "it has the header 'X-Groups' 2 times"),
        # What uvicorn makes of the trailers of a body.
        (("127.0.0.1", 1), ((b"transfer-encoding", b"chunked"), (b"x-groups", b"admin")), "it may be a trailer"),
        # What uvicorn writes into the scope where it trusts X-Forwarded-For.
        (("127.0.0.1", 0), ((b"x-forwarded-for", b"127.0.0.1"),), "taken from X-Forwarded-For"),
        (("127.0.0.1", 77), ((b"x-forwarded-for", b"1.1.1.1, 127.0.0.1:77"),), "taken from X-Forwarded-For"),
    ],
)
async def test_a_header_counts_only_if_the_proxy_itself_sent_it(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, address: Any, more: Any, reason: str
) -> None:
    client = await chat(PROXY)
    assert reason in await _refused(_from(client, address, *more), {"x-user": "ada"}, caplog)


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("proxies", "address"),
    [
        (["unix"], None),
        (["10.0.0.7"], ("10.0.0.7", 5)),
        (["10.0.0.0/8"], ("::ffff:10.1.2.3", 5)),
        (["fd00::/8"], ("fd00::1", 5)),
    ],
)
async def test_the_addresses_of_trusted_proxies_are_parsed(chat: MakeChat, proxies: list[str], address: Any) -> None:
    client = await chat({"auth": {"header": {"user": "X-User", "proxies": proxies}}})
    assert (await _list(_from(client, address), {"x-user": "ada"})).status == 200


async def test_a_new_key_of_the_provider_needs_no_restart_and_an_edit_of_auth_no_provider(
    chat: MakeChat, provider: Provider
) -> None:
    client = await chat(_jwt_config(provider))
    assert (await _list(client, bearer(token()))).status == 200
    provider.status = 500
    file = client.folder / "agents.yaml"
    file.write_text(file.read_text().replace('"audience": "chat"', '"audience": "mail"'))
    assert (await client.runtime.reload()).status == "reloaded"
    # The keys are shared with the new version, which accepts other tokens.
    assert (await _list(client, bearer(token()))).status == 401
    assert (await _list(client, bearer(token(aud="mail")))).status == 200
    assert provider.fetched == 1
