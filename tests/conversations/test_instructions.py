"""Instructions from texts, templates, files and Python, as the model gets them."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.conversations.conftest import MakeChat

CODE = """
TEXT = "From Python {{ user.id }}."

def sync(context, agent):
    return f"{agent.name} for {context.context.user.id}"

async def later(context, agent):
    return f"later {agent.name}"

class Cats:
    count = 3
    def names(self):
        return ["Tom", "Kit"]
"""


async def _told(chat: MakeChat, instructions: Any, **files: str) -> str | None:
    config = {"agents": {"helper": {"instructions": instructions}}, "state": {"cats": "own:Cats"}}
    client = await chat(config, own_py=CODE, **files)
    client.headers = {"accept-language": "nb"}
    await client.say("hi")
    return client.player.asked[0].instructions


TEMPLATE = "{{ user.id }} {{ locale }} {{ thread.id[:4] }} {{ state.cats.count }} {{ state.cats.names() | join('+') }}"


@pytest.mark.parametrize(
    ("instructions", "told"),
    [
        ("Plain text.", "Plain text."),
        (TEMPLATE, "local nb thr_ 3 Tom+Kit"),
        ({"text": "{{ user.id }}", "raw": True}, "{{ user.id }}"),
        ({"file": "prompts/me.md"}, "From a file for local.\n"),
        ({"file": "prompts/me.md", "raw": True}, "From a file for {{ user.id }}.\n"),
        ({"python": "own:TEXT"}, "From Python {{ user.id }}."),
        ({"python": "own:sync"}, "helper for local"),
        ({"python": "own:later"}, "later helper"),
        ("{{ now.year > 2000 }}", "True"),
        ("{{ context.request.url.path }}", "/chatkit"),
    ],
)
async def test_the_model_gets_the_instructions_of_the_file(chat: MakeChat, instructions: Any, told: str) -> None:
    files = {"prompts__me_md": "From a file for {{ user.id }}.\n"}
    found = await _told(chat, instructions, **files)
    assert found is not None
    assert found.rstrip("\n") == told.rstrip("\n")


async def test_an_agent_without_instructions_has_none(chat: MakeChat) -> None:
    client = await chat()
    await client.say("hi")
    assert client.player.asked[0].instructions is None


async def test_a_template_that_fails_at_run_time_is_an_error_event_and_no_cut_stream(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": "{{ thread.nothing.at_all }}"}}})
    answer = await client.say("hi")
    assert answer.broken is None
    assert answer.types[-1] == "error"


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ({"file": "missing.md"}, "missing.md"),
        ({"python": "own:nothing"}, "has no 'nothing'"),
        ({"python": "own:NUMBER"}, "is an int"),
    ],
)
async def test_instructions_that_can_not_be_had_are_reported(chat: MakeChat, instructions: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await chat({"agents": {"helper": {"instructions": instructions}}}, own_py=CODE + "\nNUMBER = 3\n")
