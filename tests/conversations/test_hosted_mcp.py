"""MCP servers that OpenAI calls, with approvals: the real client against a stub with the API's rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.assemble.scripted_model import ScriptedConversation
from runtime.scripts.grammar import parse_script
from runtime.scripts.player import Item, Say, Situation, Step
from runtime.testing import OpenAIStub
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

WIKI = {"hosted": "mcp", "label": "deepwiki", "url": "https://mcp.example.com/mcp", "tools": ["ask", "search.pages"]}
ARGUMENTS = json.dumps({"repo": "a/b", "question": "What is *it*?"})


class Queue(ScriptedConversation):
    """Answers request after request with the next reply."""

    def __init__(self) -> None:
        super().__init__(parse_script({"otherwise": "Fine."}))
        self.replies: list[list[Step]] = []

    def steps(self, situation: Situation) -> list[Step]:
        return self.replies.pop(0) if self.replies else [Say("Fine.")]


class Endpoint:
    def __init__(self, stub: OpenAIStub, queue: Queue) -> None:
        self.stub, self.queue = stub, queue

    def play(self, *replies: list[Step] | str) -> None:
        self.queue.replies = [[Say(reply)] if isinstance(reply, str) else reply for reply in replies]

    @property
    def models(self) -> dict[str, Any]:
        model = {"name": "gpt-test", "base_url": self.stub.base_url, "api_key": "none", "api": "responses"}
        return {"default": {**model, "retries": 0, "timeout": "180s"}}

    def told(self, index: int = -1) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.stub.requests[index].body["input"]
        return items

    def kinds(self, index: int = -1) -> list[str]:
        # The card is told of as well; see runtime/server/history/converter.py.
        told = [item for item in self.told(index) if "graphical UI widget" not in str(item.get("content"))]
        return [item.get("type") or item["role"] for item in told]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    queue = Queue()
    with OpenAIStub(queue) as stub:
        yield Endpoint(stub, queue)


def asks(request_id: str = "mcpr_1", name: str = "ask", label: str = "deepwiki") -> Item:
    item = {"type": "mcp_approval_request", "id": request_id, "name": name, "server_label": label}
    return Item({**item, "arguments": ARGUMENTS})


def calls(output: str | None = "It is a book.", request_id: str | None = None, error: Any = None) -> Item:
    item = {"type": "mcp_call", "id": "mcp_1", "name": "ask", "server_label": "deepwiki", "arguments": ARGUMENTS}
    return Item({**item, "output": output, "approval_request_id": request_id, "error": error})


def _config(endpoint: Endpoint, tool: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    tools = {"wiki": {**WIKI, **(tool or {})}}
    return {"models": endpoint.models, "tools": tools, "agents": {"desk": {"tools": ["wiki"]}}, **more}


async def _click(client: Chat, asked: Any, approved: bool, at: int = 0) -> Any:
    card = [item for item in asked.done("widget") if "confirm" in item["widget"]][at]
    action = card["widget"]["confirm" if approved else "cancel"]["action"]
    return await client.act(asked.thread_id, action["type"], action["payload"], card["id"])


def _tool(endpoint: Endpoint) -> dict[str, Any]:
    [tool] = endpoint.stub.requests[-1].body["tools"]
    return dict(tool)


async def test_the_server_is_declared_to_the_api(chat: MakeChat, endpoint: Endpoint) -> None:
    declared = {"authorization": "${TOKEN}", "headers": {"X-Tenant": "t1"}, "description": "Knows code."}
    client = await chat(_config(endpoint, declared), environ={"TOKEN": "wiki-token-1"})
    await client.say("hello")
    assert _tool(endpoint) == {
        "type": "mcp",
        "server_label": "deepwiki",
        "server_url": "https://mcp.example.com/mcp",
        "authorization": "wiki-token-1",
        "headers": {"X-Tenant": "t1"},
        "server_description": "Knows code.",
        "allowed_tools": ["ask", "search.pages"],
        "require_approval": "always",
    }


@pytest.mark.parametrize(
    ("needs", "sent"),
    [
        (True, "always"),
        (False, "never"),
        (["ask"], {"always": {"tool_names": ["ask"]}, "never": {"tool_names": ["search.pages"]}}),
        (["ask", "search.pages"], {"always": {"tool_names": ["ask", "search.pages"]}}),
    ],
)
async def test_the_tools_that_need_approval_are_those_declared(
    chat: MakeChat, endpoint: Endpoint, needs: Any, sent: Any
) -> None:
    client = await chat(_config(endpoint, {"needs_approval": needs}))
    await client.say("hello")
    assert _tool(endpoint)["require_approval"] == sent


async def test_a_connector_takes_the_place_of_an_address(chat: MakeChat, endpoint: Endpoint) -> None:
    mail = {"hosted": "mcp", "label": "mail", "connector": "connector_gmail", "authorization": "token-1"}
    client = await chat(_config(endpoint, tools={"wiki": mail}))
    await client.say("hello")
    assert _tool(endpoint)["connector_id"] == "connector_gmail"
    assert "server_url" not in _tool(endpoint)


async def test_two_servers_and_a_function_stand_beside_each_other(chat: MakeChat, endpoint: Endpoint) -> None:
    tools = {"wiki": WIKI, "other": {**WIKI, "label": "other"}, "blink": {"effect": "blink"}}
    client = await chat(_config(endpoint, tools=tools, agents={"desk": {"tools": ["wiki", "other", "blink"]}}))
    endpoint.play([asks(label="other")], "Fine.")
    asked = await client.say("hello")
    assert asked.done("widget")[0]["widget"]["children"][0]["value"] == "Allow ask of other?"
    assert (await _click(client, asked, True)).said == ["Fine."]


async def test_a_call_without_approval_is_known_to_the_next_turn(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint, {"needs_approval": False}))
    endpoint.play([calls(), Say("A book.")], "You are welcome.")
    first = await client.say("what is it")
    assert first.said == ["A book."]
    assert (await client.say("thanks", first.thread_id)).said == ["You are welcome."]
    assert endpoint.kinds() == ["user", "function_call", "function_call_output", "assistant", "user"]
    made, output = endpoint.told()[1:3]
    assert (made["name"], made["arguments"]) == ("deepwiki__ask", ARGUMENTS)
    assert output["output"] == "It is a book."
    assert made["call_id"] == output["call_id"]
    assert len(made["call_id"]) <= 40


async def test_a_call_that_failed_is_known_as_such(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint, {"needs_approval": False}))
    error = {"type": "http_error", "code": 503, "message": "down"}
    endpoint.play([calls(None, error=error), Say("It is down.")])
    first = await client.say("what is it")
    await client.say("thanks", first.thread_id)
    assert "The call failed" in endpoint.told()[2]["output"]
    assert "down" in endpoint.told()[2]["output"]


async def test_a_call_waits_for_the_users_word_and_goes_on_when_it_is_given(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([Say("I will ask."), asks()], [calls(request_id="mcpr_1"), Say("A book.")], "You are welcome.")
    asked = await client.say("what is it")
    assert asked.said == ["I will ask."]
    [card] = asked.done("widget")
    title, text = (part["value"] for part in card["widget"]["children"])
    assert title == "Allow ask of deepwiki?"
    assert text == "- repo: a/b\n- question: What is \\*it\\*?"
    answer = await _click(client, asked, True)
    assert answer.said == ["A book."]
    assert answer.of("thread.item.replaced")[0]["item"]["widget"]["children"][-1]["value"] == "Approved."
    assert endpoint.kinds() == ["user", "message", "mcp_approval_request", "mcp_approval_response"]
    assert endpoint.told()[-1]["approve"] is True
    assert endpoint.told()[-1]["approval_request_id"] == "mcpr_1"
    await client.say("thanks", asked.thread_id)
    assert endpoint.kinds() == ["user", "assistant", "function_call", "function_call_output", "assistant", "user"]


async def test_a_call_that_is_denied_is_known_to_the_next_turn(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([asks()], "As you wish.", "You are welcome.")
    asked = await client.say("what is it")
    answer = await _click(client, asked, False)
    assert answer.said == ["As you wish."]
    assert endpoint.kinds() == ["user", "mcp_approval_request", "mcp_approval_response"]
    assert endpoint.told()[-1]["approve"] is False
    assert endpoint.told()[-1]["reason"] == "The user did not allow this call."
    await client.say("thanks", asked.thread_id)
    assert endpoint.kinds() == ["user", "function_call", "function_call_output", "assistant", "user"]
    [output] = [item["output"] for item in endpoint.told() if item.get("type") == "function_call_output"]
    assert output == "The user did not allow this call."


async def test_a_user_who_writes_on_has_not_approved_the_call(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([asks(), asks("mcpr_2", "search.pages")], "Something else, then.", "You are welcome.")
    asked = await client.say("what is it")
    answer = await client.say("never mind", asked.thread_id)
    assert answer.said == ["Something else, then."]
    for _ in range(2):
        told = endpoint.told()
        names = [item["name"] for item in told if item.get("type") == "function_call"]
        assert names == ["deepwiki__ask", "deepwiki__search_pages"]
        outputs = [item["output"] for item in told if item.get("type") == "function_call_output"]
        assert outputs == ["The user did not allow this call."] * 2
        assert not {"mcp_approval_request", "mcp_approval_response"} & set(endpoint.kinds())
        await client.say("thanks", asked.thread_id)
    late = await _click(client, asked, True)
    assert late.of("notice")


async def test_several_calls_wait_together(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([asks(), asks("mcpr_2", "search.pages")], [calls(request_id="mcpr_1"), Say("One of two.")])
    asked = await client.say("what is it")
    assert (await _click(client, asked, True, 0)).said == []
    assert (await _click(client, asked, False, 1)).said == ["One of two."]
    answers = [item for item in endpoint.told() if item.get("type") == "mcp_approval_response"]
    assert {item["approval_request_id"]: item["approve"] for item in answers} == {"mcpr_1": True, "mcpr_2": False}
    await client.say("thanks", asked.thread_id)
    outputs = [item["output"] for item in endpoint.told() if item.get("type") == "function_call_output"]
    assert sorted(outputs) == ["It is a book.", "The user did not allow this call."]


async def test_a_function_and_a_hosted_call_wait_together(chat: MakeChat, endpoint: Endpoint) -> None:
    tools = {"wiki": WIKI, "blink": {"effect": "blink", "needs_approval": True}}
    client = await chat(_config(endpoint, tools=tools, agents={"desk": {"tools": ["wiki", "blink"]}}))
    endpoint.play([asks(), call("blink")], [calls(request_id="mcpr_1"), Say("Both.")], "Fine.")
    asked = await client.say("both")
    assert (await _click(client, asked, True, 0)).said == []
    answer = await _click(client, asked, True, 1)
    assert answer.said == ["Both."]
    assert answer.of("client_effect")[0]["name"] == "blink"
    await client.say("thanks", asked.thread_id)
    assert endpoint.kinds().count("function_call_output") == 2


async def test_a_resumed_run_may_ask_again(chat: MakeChat, endpoint: Endpoint) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([asks()], [calls(request_id="mcpr_1"), asks("mcpr_2")], [Say("Both are known.")])
    asked = await client.say("what is it")
    again = await _click(client, asked, True)
    [card] = [item for item in again.done("widget") if "confirm" in item["widget"]]
    action = card["widget"]["cancel"]["action"]
    answer = await client.act(asked.thread_id, action["type"], action["payload"], card["id"])
    assert answer.said == ["Both are known."]
    answers = [item for item in endpoint.told() if item.get("type") == "mcp_approval_response"]
    assert [item["approve"] for item in answers] == [True, False]


async def test_the_answer_may_come_after_a_restart(chat: MakeChat, endpoint: Endpoint) -> None:
    declared = {"authorization": "${TOKEN}", "headers": {"X-Key": "${TOKEN}"}}
    config = _config(endpoint, declared, store="sqlite:///threads.db")
    before = await chat(config, environ={"TOKEN": "wiki-token-1"})
    endpoint.play([asks()], [calls(request_id="mcpr_1"), Say("A book.")])
    asked = await before.say("what is it")
    await before.runtime.close()
    kept = b"".join(path.read_bytes() for path in before.folder.rglob("threads.db*"))
    assert b"mcp_approval_request" in kept
    assert b"wiki-token-1" not in kept
    after = await chat(config, environ={"TOKEN": "wiki-token-2"})
    answer = await _click(after, asked, True)
    assert answer.said == ["A book."]
    assert endpoint.kinds() == ["user", "mcp_approval_request", "mcp_approval_response"]
    assert _tool(endpoint)["authorization"] == "wiki-token-2"


@pytest.mark.parametrize(
    ("old", "new"),
    [("https://mcp.example.com/mcp", "https://other.example.com/mcp"), ('"ask", ', ""), ('"deepwiki"', '"wiki"')],
)
async def test_an_approval_holds_for_the_server_that_was_asked_for(
    chat: MakeChat, endpoint: Endpoint, old: str, new: str
) -> None:
    client = await chat(_config(endpoint))
    endpoint.play([asks()], "Fine.")
    asked = await client.say("what is it")
    path = client.folder / "agents.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (await client.runtime.reload()).status == "reloaded"
    answer = await _click(client, asked, True)
    assert "has expired" in answer.of("notice")[0]["message"]
    assert len(endpoint.stub.requests) == 1
    assert (await client.say("hello", asked.thread_id)).said == ["Fine."]


async def test_an_agent_that_is_a_tool_asks_as_well(chat: MakeChat, endpoint: Endpoint) -> None:
    config = _config(endpoint, {"authorization": "wiki-token-1"}, entry="guide")
    config["tools"]["ask_desk"] = {"agent": "desk"}
    config["agents"]["guide"] = {"tools": ["ask_desk"]}
    client = await chat(config)
    endpoint.play([call("ask_desk", input="what")], [asks()], [calls(request_id="mcpr_1"), Say("A book.")], "It is.")
    asked = await client.say("what is it")
    assert "wiki-token-1" not in str(
        [item.content for item in await client.hidden(asked.thread_id) if item.type == "hidden_context_item"]
    )
    answer = await _click(client, asked, True)
    assert answer.said == ["It is."]


async def test_the_composer_may_ask_for_the_server(chat: MakeChat, endpoint: Endpoint) -> None:
    menu = {"composer": {"tools": [{"id": "w", "label": "Wiki", "icon": "globe", "tool": "wiki"}]}}
    client = await chat(_config(endpoint, chat=menu))
    await client.say("what", inference_options={"tool_choice": {"id": "w"}})
    assert endpoint.stub.requests[-1].body["tool_choice"] == {"type": "mcp", "server_label": "deepwiki", "name": None}


async def test_a_model_of_another_kind_can_go_on_with_the_thread(chat: MakeChat, endpoint: Endpoint) -> None:
    config = _config(endpoint, {"needs_approval": False})
    config["models"]["chat"] = {**endpoint.models["default"], "api": "chat_completions"}
    config["agents"]["plain"] = {"model": "chat"}
    menu = {"composer": {"tools": [{"id": "p", "label": "Plain", "icon": "globe"}]}}
    client = await chat({**config, "chat": menu, "entry": [{"when": {"tool": "p"}, "agent": "plain"}, "desk"]})
    endpoint.play([calls(), Say("A book.")], "You are welcome.")
    first = await client.say("what is it")
    assert (await client.say("thanks", first.thread_id, inference_options={"tool_choice": {"id": "p"}})).said == [
        "You are welcome."
    ]
    assert endpoint.stub.requests[-1].path == "/v1/chat/completions"
