"""A test's conversation as the first turn with a player, and as the second and third turn at Chat Completions.

`@EVERY_TURN` runs a test three times. The player's replies are sent by a server of the API, and what it was asked is
read from the requests; the turns before are left out of that, and of the items of the thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from agents import ModelSettings

from runtime.assemble.scripted_model import ScriptedConversation
from runtime.scripts.player import Call, Fail, Item, Say, Situation, Step, Think
from runtime.testing import OpenAIStub
from tests.conversations.playing import Asked, Player
from tests.conversations.talking import Exchange

EVERY_TURN = pytest.mark.parametrize(
    "turn", [None, 2, 3], indirect=True, ids=["player", "second-chat-turn", "third-chat-turn"]
)
_HELLO, _REPLY = "hello", "Hello to you."
_HANDOFF = "transfer_to_"


@dataclass
class LaterTurn:
    """Where the conversation of a test is in its thread: `number` is 2 or 3."""

    number: int
    stub: OpenAIStub

    @property
    def model(self) -> dict[str, Any]:
        """The declaration of the model."""
        endpoint = {"base_url": self.stub.base_url, "api_key": "any", "retries": 0, "timeout": "180s"}
        return {"name": "model-1", "api": "chat_completions", **endpoint}

    @property
    def items(self) -> int:
        """The number of items that the turns before have."""
        return 2 * (self.number - 1)


class PlayedConversation(ScriptedConversation):
    """Plays the replies of a player to the requests of a stub."""

    stub: OpenAIStub
    player: Player

    def __init__(self) -> None:
        super().__init__(ScriptedConversation.from_data({"otherwise": "-"})._script)

    def steps(self, situation: Situation) -> list[Step]:
        asked = _asked(self.stub.requests[-1].body)
        if asked.input[-1] == {"role": "user", "content": _HELLO}:
            return [_step(_REPLY)]
        while [item.get("content") for item in asked.input[:2]] == [_HELLO, _REPLY]:
            del asked.input[:2]
        self.player.asked.append(asked)
        replies = self.player.replies
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if callable(reply):
            reply = reply(asked)
        steps = [reply] if isinstance(reply, str | Exception) else list(reply)
        return [_step(step) for step in steps]


def _step(step: Any) -> Step:
    if isinstance(step, Exception):
        return Fail(str(step))
    assert isinstance(step, str | Say | Think | Call | Fail | Item)
    return Say(text=step, delay_s=0) if isinstance(step, str) else step


def _asked(body: Mapping[str, Any]) -> Asked:
    items: list[dict[str, Any]] = []
    instructions = None
    for message in body["messages"]:
        if message["role"] == "system":
            instructions = message["content"]
        elif message["role"] == "tool":
            output = {"call_id": message["tool_call_id"], "output": message["content"]}
            items.append({"type": "function_call_output", **output})
        elif message["role"] == "user":
            items.append({"role": "user", "content": message["content"]})
        else:
            if message.get("content"):
                items.append({"type": "message", "role": "assistant", "content": message["content"]})
            items += [
                {"type": "function_call", "call_id": call["id"], **call["function"]}
                for call in message.get("tool_calls") or ()
            ]
    names = [tool["function"]["name"] for tool in body.get("tools") or ()]
    tools = [name for name in names if not name.startswith(_HANDOFF)]
    handoffs = [name for name in names if name.startswith(_HANDOFF)]
    return Asked(instructions, items, ModelSettings(), tools, handoffs)


async def say_later(begin: Any, turn: LaterTurn, text: str, **more: Any) -> Exchange:
    """Say something in a new thread that has the turns before; `begin` is the client's own `begin`."""
    first: Exchange = await begin(_HELLO).end()
    thread = first.thread_id
    for _ in range(turn.number - 2):
        await begin(_HELLO, thread).end()
    later: Exchange = begin(text, thread, **more)
    later.known_thread = thread
    return await later.end()


def play_on(player: Player) -> OpenAIStub:
    """Return a stub that plays the replies of a player."""
    conversation = PlayedConversation()
    conversation.player = player
    conversation.stub = OpenAIStub(conversation)
    return conversation.stub
