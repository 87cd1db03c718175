"""Commands and changes of files: only through Python of the project, and only with the user's word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.errors import ConfigError
from runtime.scripts.player import Item
from tests.conversations.conftest import Chat, MakeChat

CODE = """
def is_risky(ctx, args):
    return any(not command.startswith("ls") for command in args["commands"])

ran = []

async def run(request):
    ran.append(list(request.data.action.commands))
    return "done: " + "; ".join(request.data.action.commands)

class Editor:
    def create_file(self, operation):
        ran.append((operation.path, operation.diff))
        return "created"

    update_file = delete_file = create_file

number = 7
"""


def commands(*lines: str) -> Item:
    action = {"commands": list(lines), "max_output_length": None, "timeout_ms": None}
    return Item({"id": "sh_1", "type": "shell_call", "call_id": "call_1", "status": "completed", "action": action})


def patch(path: str) -> Item:
    operation = {"type": "create_file", "path": path, "diff": "+hello"}
    item = {"id": "ap_1", "type": "apply_patch_call", "call_id": "call_1", "status": "completed"}
    return Item({**item, "operation": operation})


async def project(chat: MakeChat, **tool: Any) -> Chat:
    return await chat({"tools": {"own": tool}, "agents": {"helper": {"tools": ["own"]}}}, app__own_py=CODE)


async def asked(client: Chat, step: Item) -> tuple[Any, dict[str, Any]]:
    client.player.replies = [[step], "It is done."]
    answer = await client.say("go")
    [card] = answer.done("widget")
    return answer, card


@pytest.mark.parametrize("approved", [True, False])
async def test_commands_run_once_the_user_has_seen_and_allowed_them(chat: MakeChat, approved: bool) -> None:
    client = await project(chat, shell="app.own:run")
    answer, card = await asked(client, commands("ls -l", "rm notes.txt"))
    assert "rm notes.txt" in json.dumps(card)
    click = card["widget"]["confirm" if approved else "cancel"]["action"]
    ended = await client.act(answer.thread_id, click["type"], click["payload"], card["id"])
    assert ended.said == ["It is done."], ended.events
    told = json.dumps(client.player.asked[-1].input)
    assert ("done: ls -l; rm notes.txt" in told) is approved
    client.player.replies = ["Fine."]
    assert (await client.say("thanks", answer.thread_id)).said == ["Fine."]
    # The next turn knows what was wanted, and what came of it.
    asked_now = client.player.asked[-1]
    [wanted], [came] = asked_now.of("function_call"), asked_now.of("function_call_output")
    assert (wanted["name"], "rm notes.txt" in wanted["arguments"]) == ("shell", True)
    assert ("done: ls -l; rm notes.txt" in came["output"]) is approved


async def test_a_file_is_changed_once_the_user_has_seen_and_allowed_it(chat: MakeChat) -> None:
    client = await project(chat, apply_patch="app.own:Editor")
    answer, card = await asked(client, patch("notes.txt"))
    assert "notes.txt" in json.dumps(card)
    click = card["widget"]["confirm"]["action"]
    ended = await client.act(answer.thread_id, click["type"], click["payload"], card["id"])
    assert ended.said == ["It is done."], ended.events
    assert "created" in json.dumps(client.player.asked[-1].input)


async def test_commands_that_need_no_approval_run_at_once(chat: MakeChat) -> None:
    client = await project(chat, shell="app.own:run", needs_approval=False)
    client.player.replies = [[commands("ls")], "It is done."]
    assert (await client.say("go")).said == ["It is done."]


LISTS_ONLY = "{{ args.commands | join(' ') != 'ls -l' }}"


async def asked_about(client: Chat, step: Item) -> list[Any]:
    client.player.replies = [[step], "It is done."]
    return list((await client.say("go")).done("widget"))


@pytest.mark.parametrize("needs", [LISTS_ONLY, {"when": LISTS_ONLY}, {"python": "app.own:is_risky"}])
async def test_a_condition_decides_which_commands_need_approval(chat: MakeChat, needs: Any) -> None:
    client = await project(chat, shell="app.own:run", needs_approval=needs)
    assert await asked_about(client, commands("ls -l")) == []
    [card] = await asked_about(client, commands("ls -l", "rm notes.txt"))
    assert "rm notes.txt" in json.dumps(card)


async def test_a_condition_that_fails_asks_and_the_card_has_the_declared_texts(chat: MakeChat) -> None:
    texts = {"when": "{{ args.nothing.at_all }}", "title": "Run {{ args.commands | join(' and ') }}?", "approve": "Run"}
    client = await project(chat, shell="app.own:run", needs_approval=texts)
    [card] = await asked_about(client, commands("ls -l"))
    assert "Run ls -l?" in json.dumps(card)
    assert card["widget"]["confirm"]["label"] == "Run"


async def test_a_condition_decides_which_patches_need_approval(chat: MakeChat) -> None:
    needs = {"when": "{{ not args.path.startswith('drafts/') }}", "title": "Change {{ args.path }}?"}
    client = await project(chat, apply_patch="app.own:Editor", needs_approval=needs)
    assert await asked_about(client, patch("drafts/a.txt")) == []
    [card] = await asked_about(client, patch("notes.txt"))
    assert "Change notes.txt?" in json.dumps(card)


@pytest.mark.parametrize(
    ("tool", "words"),
    [({"shell": "app.own:number"}, "is an int"), ({"apply_patch": "app.own:run"}, "not an agents.ApplyPatchEditor")],
)
async def test_an_object_that_can_neither_run_nor_edit_is_refused(
    chat: MakeChat, tool: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        await project(chat, **tool)
