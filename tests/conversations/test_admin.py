"""The admin routes below `/-/`: their effects, their responses, and who may use them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.server.generations.reloader import ReloadOutcome
from tests.conversations.conftest import QUICK, Chat, MakeChat
from tests.conversations.editing import edit, reloaded, write
from tests.conversations.playing import Gate
from tests.conversations.talking import Exchange

HERE = {"host": "127.0.0.1:8000"}
BROKEN = '{"version": 1, "agents": {"helper": {"instrutions": "x"}}}'
FIRST, SECOND = {"authorization": "Bearer first"}, {"authorization": "Bearer second"}


async def _reload(client: Chat, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("POST", "/-/reload", headers={**HERE, **named}).end()


async def _config(client: Chat) -> dict[str, Any]:
    answer = await client.get("/-/config", HERE)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.json
    return body


async def _held_turn(client: Chat, word: str = "wait") -> tuple[Exchange, Gate]:
    """Begin a turn that waits, on the generation that serves now."""
    gate = client.player.gate(word)
    client.player.replies = [word, "Fine."]
    running = client.begin("hi")
    await asyncio.wait_for(gate.reached.wait(), 180)
    return running, gate


# Asking for a reload


async def test_a_reload_answers_with_what_serves_now(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": "one"}}})
    write(client, {"agents": {"helper": {"instructions": "two"}}})
    answer = await _reload(client)
    serving = client.runtime.generation
    assert (answer.status, answer.json["status"], answer.json["generation"]) == (200, "reloaded", 2)
    assert answer.json["hashes"] == {"config": serving.hashes.config, "code": serving.hashes.code}
    assert answer.headers["etag"] == serving.hashes.etag
    assert answer.headers["cache-control"] == "no-store"
    assert "agents ~helper" in answer.json["summary"]
    await client.say("hi")
    assert client.player.asked[-1].instructions == "two"


async def test_a_reload_of_what_serves_already_is_no_mistake_and_no_new_generation(chat: MakeChat) -> None:
    client = await chat()
    before = client.runtime.generation
    answer = await _reload(client)
    assert (answer.status, answer.json["status"], answer.json["generation"]) == (200, "unchanged", 1)
    assert answer.headers["etag"] == before.hashes.etag
    assert client.runtime.generation is before


async def test_a_stale_etag_reloads_nothing(chat: MakeChat) -> None:
    client = await chat()
    stale = (await client.get("/-/config", HERE)).headers["etag"]
    await reloaded(client, {"chat": {"greeting": "two"}})
    write(client, {"chat": {"greeting": "three"}})
    for header in (stale, f"W/{stale}", f'{stale}, "another"'):
        answer = await _reload(client, if_match=header)
        assert (answer.status, answer.error["code"], answer.json["generation"]) == (412, "stale", 2)
        assert answer.headers["etag"] == client.runtime.generation.hashes.etag != stale
    assert (client.runtime.generation.number, client.runtime.config.chat.greeting) == (2, "two")


@pytest.mark.parametrize("header", ["{}", "*", '"another", {}', "W/{}", '"another",{}'])
async def test_the_current_etag_lets_a_reload_go_on(chat: MakeChat, header: str) -> None:
    client = await chat()
    etag = (await client.get("/-/config", HERE)).headers["etag"]
    write(client, {"chat": {"greeting": "two"}})
    answer = await _reload(client, if_match=header.format(etag))
    assert (answer.status, answer.json["status"]) == (200, "reloaded")
    assert answer.headers["etag"] != etag


async def test_a_refused_reload_answers_with_the_mistakes_as_validate_prints_them(
    chat: MakeChat, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.cli.app import run

    client = await chat()
    before = client.runtime.generation
    write(client, agents_yaml=BROKEN)
    answer = await _reload(client)
    assert (answer.status, answer.error["code"]) == (422, "reload_refused")
    assert (answer.json["status"], answer.json["generation"]) == ("refused", 1)
    monkeypatch.chdir(client.folder)
    capsys.readouterr()
    assert run(["validate", "--format", "json"]) == 1
    printed = json.loads(capsys.readouterr().out)["diagnostics"]
    # `validate` may check several projects at once.
    assert {mistake.pop("project") for mistake in printed} == {"agents.yaml"}
    assert answer.json["diagnostics"] == printed != []
    assert answer.headers["etag"] == before.hashes.etag
    assert client.runtime.generation is before
    assert (await client.say("hi")).said == ["Fine."]


async def test_at_the_limit_of_generations_a_reload_is_to_be_asked_for_again(chat: MakeChat) -> None:
    client = await chat({"reload": {"generations": 2}})
    running, gate = await _held_turn(client)
    await reloaded(client, {"chat": {"greeting": "two"}})
    write(client, {"chat": {"greeting": "three"}})
    answer = await _reload(client)
    assert (answer.status, answer.error["code"]) == (503, "too_many_generations")
    assert int(answer.headers["retry-after"]) > 0
    assert client.runtime.config.chat.greeting == "two"
    gate.open.set()
    assert (await running.end()).said == ["wait"]
    again = await _reload(client)
    # Where there is room again it has taken effect by itself, or does so now.
    assert (again.status, again.json["generation"]) == (200, 3)
    assert client.runtime.config.chat.greeting == "three"


async def test_a_file_that_looks_half_written_is_taken_when_somebody_asks(chat: MakeChat) -> None:
    config = {"agents": {"helper": {"instructions": {"file": "prompt.md"}}}}
    client = await chat(config, prompt_md="Be kind. Be brief.")
    outcome = await edit(client, explicit=False, prompt_md="Be kind.")
    assert outcome.status == "held"
    assert (await _config(client))["last_error"]["status"] == "held"
    answer = await _reload(client)
    assert (answer.status, answer.json["status"]) == (200, "reloaded")
    await client.say("hi")
    assert client.player.asked[-1].instructions == "Be kind."
    assert (await _config(client))["last_error"] is None


async def test_a_server_that_shuts_down_reloads_nothing(chat: MakeChat) -> None:
    client = await chat()
    write(client, {"chat": {"greeting": "two"}})
    await client.runtime.drain(0)
    answer = await _reload(client)
    assert (answer.status, answer.error["code"]) == (503, "shutting_down")
    assert client.runtime.generation.number == 1
    assert (await _config(client))["shutting_down"] is True


@pytest.mark.parametrize(("method", "path"), [("GET", "/-/reload"), ("POST", "/-/config"), ("POST", "/-/events")])
async def test_another_method_is_refused(chat: MakeChat, method: str, path: str) -> None:
    client = await chat()
    assert (await client.request(method, path, headers=HERE).end()).status == 405


# Who may


def _from(client: Chat, address: str) -> Chat:
    """The same client, as if it spoke from another address."""
    app = client.app

    async def moved(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await app({**scope, "client": (address, 50000)}, receive, send)

    return replace(client, app=moved)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000"])
async def test_this_machine_needs_no_token(chat: MakeChat, host: str) -> None:
    client = await chat()
    for address in ("127.0.0.1", "::1"):
        assert (await _from(client, address).get("/-/config", {"host": host})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"x-forwarded-for": "203.0.113.7"},
        {"forwarded": "for=203.0.113.7"},
        {"x-real-ip": "203.0.113.7"},
        {"via": "1.1 proxy"},
    ],
    ids=lambda headers: "-".join(next(iter(headers.items()))),
)
async def test_a_page_of_another_site_and_a_proxy_are_not_this_machine(chat: MakeChat, headers: dict[str, str]) -> None:
    client = await chat()
    write(client, {"chat": {"greeting": "two"}})
    for method, path in (("POST", "/-/reload"), ("GET", "/-/config"), ("GET", "/-/events")):
        answer = await client.request(method, path, headers={**HERE, **headers}).end()
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert client.runtime.generation.number == 1


@pytest.mark.in_process
async def test_another_machine_is_refused_where_no_token_is_declared(chat: MakeChat) -> None:
    client = _from(await chat(), "203.0.113.7")
    for given in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer None"}):
        answer = await client.get("/-/config", {**HERE, **given})
        assert (answer.status, answer.error["code"]) == (403, "forbidden")


@pytest.mark.in_process
async def test_the_token_opens_the_routes_from_anywhere_and_another_one_does_not(chat: MakeChat) -> None:
    client = _from(await chat({"admin": {"token": "first"}}), "203.0.113.7")
    elsewhere = {"host": "chat.example.com", "x-forwarded-for": "203.0.113.7"}
    for wrong in ({}, SECOND, {"authorization": "Basic first"}, {"authorization": "Bearer "}, {"authorization": ""}):
        answer = await client.get("/-/config", {**elsewhere, **wrong})
        assert (answer.status, answer.error["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    for right in (FIRST, {"authorization": "bearer first"}):
        assert (await client.get("/-/config", {**elsewhere, **right})).status == 200


@pytest.mark.in_process
async def test_a_token_may_hold_any_letter(chat: MakeChat) -> None:
    token = "schlüssel-🔑"
    client = _from(await chat({"admin": {"token": token}}), "203.0.113.7")
    for given, status in ((token, 200), (token[:-1], 401)):
        assert (await client.get("/-/config", {"authorization": f"Bearer {given}"})).status == status


@pytest.mark.in_process
@pytest.mark.parametrize("declared", ["${ADMIN_TOKEN:-}", "", None])
async def test_an_empty_token_grants_nothing(chat: MakeChat, declared: str | None) -> None:
    client = await chat({"admin": {"token": declared}})
    for given in ("Bearer", "Bearer ", "bearer  ", "Bearer None"):
        answer = await _from(client, "203.0.113.7").get("/-/config", {**HERE, "authorization": given})
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert (await client.get("/-/config", HERE)).status == 200


@pytest.mark.in_process
async def test_a_token_that_was_edited_is_the_one_that_counts(chat: MakeChat) -> None:
    client = await chat({"admin": {"token": "first"}})
    away = _from(client, "203.0.113.7")
    write(client, {"admin": {"token": "second"}})
    assert (await away.request("POST", "/-/reload", headers=FIRST).end()).json["status"] == "reloaded"
    assert [(await away.get("/-/config", token)).status for token in (FIRST, SECOND)] == [401, 200]
    # A refused edit does not change who may.
    write(client, {"admin": {"token": "third"}, "nonsense": 1})
    assert (await away.request("POST", "/-/reload", headers=SECOND).end()).status == 422
    assert (await away.get("/-/config", SECOND)).status == 200


# What serves


async def test_the_config_says_what_serves_and_what_became_of_the_last_edit(chat: MakeChat) -> None:
    client = await chat()
    good = (client.folder / "agents.yaml").read_text()
    serving = client.runtime.generation
    body = await _config(client)
    assert (body["generation"], body["hashes"]) == (
        1,
        {"config": serving.hashes.config, "code": serving.hashes.code},
    )
    assert body["loaded_at"] == serving.loaded_at.isoformat()
    assert serving.loaded_at.utcoffset() is not None
    assert (body["last_error"], body["draining"], body["in_flight"], body["reloads"]) == (None, [], 0, {})
    assert (body["from_last_good"], body["shutting_down"]) == (False, False)
    await edit(client, agents_yaml=BROKEN)
    error = (await _config(client))["last_error"]
    assert (error["status"], error["generation"]) == ("refused", 1)
    assert "unknown key 'instrutions'" in [diagnostic["message"] for diagnostic in error["diagnostics"]]
    await edit(client, agents_yaml="version: 1\nagents: {helper: {")
    await reloaded(client, agents_yaml=good.replace('"store"', '"chat": {"greeting": "two"}, "store"'))
    body = await _config(client)
    assert (body["generation"], body["last_error"]) == (2, None)
    assert body["reloads"] == {"refused:references": 1, "refused:yaml": 1, "reloaded": 1}
    assert body["loaded_at"] > serving.loaded_at.isoformat()


async def test_the_config_names_the_old_generations_and_what_still_runs_on_them(chat: MakeChat) -> None:
    client = await chat()
    first = client.runtime.generation
    running, gate = await _held_turn(client)
    assert (await _config(client))["in_flight"] == 1
    await reloaded(client, {"chat": {"greeting": "two"}})
    body = await _config(client)
    assert (body["generation"], body["in_flight"]) == (2, 0)
    assert body["draining"] == [{"generation": 1, "loaded_at": first.loaded_at.isoformat(), "in_flight": 1}]
    gate.open.set()
    await running.end()
    await client.runtime.live.wait_closed()
    assert (await _config(client))["draining"] == []


SECRETS = ("sk-alpha", "admin-bravo", "env-charlie", "hunter-delta", "sk-echo", "header-foxtrot")


async def test_no_answer_ever_holds_a_secret(chat: MakeChat) -> None:
    client = await chat(
        {"admin": {"token": "admin-bravo"}},
        environ={"API_KEY": "sk-alpha"},
        **{".env": "ENV_KEY=env-charlie\nPORT=env-charlie\n"},
    )
    default = {"python": "tests.conversations.playing:find", "with": {"name": client.player.stage_name}}
    listening = client.request("GET", "/-/events", headers=HERE)
    await listening.until(lambda exchange: exchange.body)
    bodies = [listening]
    edits: list[tuple[str, dict[str, Any]]] = [
        ("reloaded", {"models": {"default": default, "other": {"name": "gpt", "api_key": "${API_KEY}"}}}),
        ("reloaded", {"models": {"default": default, "other": {"name": "gpt", "api_key": "${ENV_KEY}"}}}),
        ("reloaded", {"models": {"default": default, "other": {"name": "gpt", "api_key": "sk-echo"}}}),
        ("refused", {"models": {"default": default, "other": {"name": "gpt", "api_key": ["sk-echo"]}}}),
        ("refused", {"models": {"default": default}, "store": "postgresql://ann:hunter-delta@127.0.0.1:9/chat"}),
        ("refused", {"store": "nosuch://ann:hunter-delta@127.0.0.1:9/chat"}),
        ("refused", {"store": "memory", "server": {"port": "${PORT}"}}),
        ("refused", {"server": {}, "admin": {"token": ["admin-bravo"]}}),
        ("reloaded", {"admin": {"token": "header-foxtrot"}}),
    ]
    for status, config in edits:
        write(client, config)
        answer = await _reload(client)
        assert answer.json["status"] == status, answer.body
        bodies += [answer, await client.get("/-/config", HERE)]
    (client.folder / ".env").write_text("ENV_KEY=env-charlie\nPORT=env-charlie\nnot a line env-charlie\n")
    bodies += [await _reload(client), await client.get("/-/config", HERE)]
    assert [diagnostic["code"] for diagnostic in bodies[-2].json["diagnostics"]] == ["A502"]
    await listening.until(lambda exchange: exchange.body.count(b"event: reloaded") == 5)
    for answer in bodies:
        everything = answer.body.decode() + json.dumps(answer.headers)
        assert [secret for secret in SECRETS if secret in everything] == [], everything
    listening.leave()
    await listening.end()


# Hearing of reloads


def _heard(exchange: Exchange) -> list[tuple[str, dict[str, Any]]]:
    events = []
    whole = exchange.body[: exchange.body.rfind(b"\n\n") + 2].decode()
    for block in whole.split("\n\n"):
        if block.startswith("event: "):
            name, data = block.split("\n")
            events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def _listen(client: Chat) -> Exchange:
    listening = client.request("GET", "/-/events", headers=HERE)
    return await listening.until(lambda exchange: _heard(exchange))


async def test_the_events_begin_with_the_serving_generation_and_report_each_outcome(chat: MakeChat) -> None:
    client = await chat()
    good = (client.folder / "agents.yaml").read_text()
    listening = await _listen(client)
    assert listening.headers["content-type"].startswith("text/event-stream")
    assert _heard(listening) == [("serving", {key: (await _config(client))[key] for key in ("generation", "hashes")})]
    await reloaded(client, {"agents": {"helper": {"instructions": "two"}, "other": {}}, "entry": "helper"})
    await edit(client, agents_yaml=BROKEN)
    await listening.until(lambda exchange: len(_heard(exchange)) == 3)
    (_, first), (name, second), (last, third) = _heard(listening)
    assert (name, last) == ("reloaded", "refused")
    assert (first["generation"], second["generation"], third["generation"]) == (1, 2, 2)
    assert "helper" in json.dumps(second["changes"])
    assert "other" in json.dumps(second["changes"])
    assert "A101" in [diagnostic["code"] for diagnostic in third["diagnostics"]]
    await reloaded(client, agents_yaml=good)
    await listening.until(lambda exchange: len(_heard(exchange)) == 4)
    listening.leave()
    await listening.end()


async def test_the_events_end_when_the_server_shuts_down(chat: MakeChat) -> None:
    client = await chat()
    listening = await _listen(client)
    await client.runtime.drain(0)
    await listening.end()
    assert (listening.complete, listening.broken) == (True, None)
    # A later client gets the first event, and the end of the stream.
    late = await client.get("/-/events", HERE)
    assert (late.complete, [name for name, _ in _heard(late)]) == (True, ["serving"])


async def test_a_quiet_time_is_filled_with_pings(chat: MakeChat) -> None:
    client = await chat(settings=replace(QUICK, ping_s=0.01))
    listening = await _listen(client)
    await listening.until(lambda exchange: len(exchange.chunks) > 2)
    assert len(_heard(listening)) == 1
    listening.leave()
    await listening.end()


@pytest.mark.in_process
async def test_a_listener_who_goes_away_leaves_nothing_behind(chat: MakeChat) -> None:
    client = await chat()
    reloader, enders = client.runtime.reloader, client.runtime.drain_callbacks
    before = list(reloader.listeners)
    listening = [await _listen(client) for _ in range(3)]
    assert (len(reloader.listeners), len(enders)) == (len(before) + 3, 3)
    for one in listening:
        one.leave()
        await one.end()
    assert (reloader.listeners, enders) == (before, [])
    await reloaded(client, {"chat": {"greeting": "two"}})


@pytest.mark.in_process
async def test_a_listener_who_stops_reading_misses_the_oldest_and_harms_nobody(chat: MakeChat) -> None:
    client = await chat(settings=replace(QUICK, max_unread_events=2))
    may_go_on, is_stuck, app = asyncio.Event(), asyncio.Event(), client.app

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        async def send_slowly(message: Any) -> None:
            await send(message)
            if b"event: serving" in message.get("body", b""):
                is_stuck.set()
                await may_go_on.wait()

        await app(scope, receive, send_slowly)

    stuck = replace(client, app=slow).request("GET", "/-/events", headers=HERE)
    await asyncio.wait_for(is_stuck.wait(), 180)
    for number in range(2, 7):
        await reloaded(client, {"chat": {"greeting": str(number)}})
    assert (await client.say("hi")).said == ["Fine."]
    may_go_on.set()
    await stuck.until(lambda exchange: len(_heard(exchange)) == 3)
    assert [data["generation"] for _, data in _heard(stuck)] == [1, 5, 6]
    stuck.leave()
    await stuck.end()


async def test_what_cannot_be_said_in_one_line_stays_one_event(chat: MakeChat) -> None:
    client = await chat()
    listening = await _listen(client)
    mistake = Diagnostic("A999", "two\n\nevent: reloaded\nlines", Place("agents.yaml"))
    serving = client.runtime.generation
    client.runtime.reloader.report(ReloadOutcome("refused", serving.number, serving.hashes, diagnostics=(mistake,)))
    await listening.until(lambda exchange: len(_heard(exchange)) == 2)
    assert _heard(listening)[1][1]["diagnostics"][0]["message"] == mistake.message
    listening.leave()
    await listening.end()
