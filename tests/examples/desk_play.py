"""The conversation that the parity test holds with both servers: every request goes to one, then to the other."""

from __future__ import annotations

from typing import Any

from tests.examples.exchanges import Caller, Event


def message(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}, *more.pop("tags", [])]
    return {"content": content, "attachments": [], "inference_options": {}, **more}


def tag(number: str, status: str) -> dict[str, Any]:
    return {"type": "input_tag", "id": number, "text": f"Parcel {number}", "data": {"status": status}}


def item_of(events: list[Event], kind: str) -> dict[str, Any]:
    """Return the last item of this kind that was done."""
    items = [event["item"] for event in events if event["type"] == "thread.item.done"]
    return next(item for item in reversed(items) if item["type"] == kind)


async def play(caller: Caller) -> None:
    thread_id = await _tools(caller)
    await _widgets(caller, thread_id)
    await _more_agents(caller, thread_id)
    await _client_tool(caller, thread_id)
    await _words(caller, thread_id)
    await _threads(caller, thread_id)
    await _routes(caller)
    await _mistakes(caller, thread_id)
    await _delete(caller, thread_id)


async def _say(caller: Caller, thread_id: str, text: str, name: str = "", **more: Any) -> list[Event]:
    customer = more.pop("customer", "ida")
    params = {"thread_id": thread_id, "input": message(text, **more)}
    return await caller.chat(name or text, "threads.add_user_message", params, customer)


async def _tools(caller: Caller) -> str:
    created = await caller.chat("create", "threads.create", {"input": message("Hello there")})
    thread_id = str(created[0]["thread"]["id"])
    for text in ("track P-101", "map P-102", "note I prefer mornings", "what do I have", "both at once"):
        await _say(caller, thread_id, text)
    for text in ("route P-102", "think hard", "think and look", "receipt", "track P-999"):
        await _say(caller, thread_id, text)
    return thread_id


async def _widgets(caller: Caller, thread_id: str) -> None:
    slots = item_of(await _say(caller, thread_id, "slots P-101"), "widget")
    choice = {"type": "slot.choose", "payload": {"number": "P-101", "slot": "18 to 20"}}
    params = {"thread_id": thread_id, "item_id": slots["id"], "action": choice}
    await caller.chat("choose a slot", "threads.custom_action", params)
    await caller.chat("the widget stays replaced", "items.list", {"thread_id": thread_id, "limit": 3})
    await caller.chat("choose without a card", "threads.custom_action", {"thread_id": thread_id, "action": choice})
    await _say(caller, thread_id, "thank you")
    asked = item_of(await _say(caller, thread_id, "leave it"), "structured_input")
    answers = {"place": {"values": ["the shed"]}, "remark": {"skipped": True}}
    params = {"thread_id": thread_id, "item_id": asked["id"], "input": {"answers": answers}}
    await caller.chat("answer the questions", "threads.add_structured_input", params)


async def _more_agents(caller: Caller, thread_id: str) -> None:
    await _say(caller, thread_id, "what does it cost", "an agent as a tool")
    claim = item_of(await _say(caller, thread_id, "my vase is broken", "a handoff"), "widget")
    await caller.get("the claim is on file", "/desk/claims")
    withdraw = {"type": "claim.withdraw", "payload": {"claim": "CL-001"}}
    params = {"thread_id": thread_id, "item_id": claim["id"], "action": withdraw}
    await caller.chat("withdraw the claim", "threads.custom_action", params)
    await _say(caller, thread_id, "draw me a label", "an image")


async def _client_tool(caller: Caller, thread_id: str) -> None:
    await _say(caller, thread_id, "where am I", "a client tool")
    result = {"latitude": 52.1, "longitude": 4.3}
    params = {"thread_id": thread_id, "result": result}
    await caller.chat("its result", "threads.add_client_tool_output", params)
    await caller.chat("its result once more", "threads.add_client_tool_output", params)
    await _say(caller, thread_id, "think and ask", "a client tool in a workflow")
    await caller.chat("the workflow goes on", "threads.add_client_tool_output", params)
    await _say(caller, thread_id, "where am I", "a client tool that stays silent")
    await _say(caller, thread_id, "never mind", "typed past it")


async def _words(caller: Caller, thread_id: str) -> None:
    await _say(caller, thread_id, "how is ", "tags", tags=[tag("P-101", "at the depot"), tag("P-102", "on its way")])
    await _say(caller, thread_id, "is that so", "a quotation", quoted_text="I will remember that.")
    question = item_of(await _say(caller, thread_id, "track P-102"), "user_message")
    await _say(caller, thread_id, "you crash", "the model fails")
    await caller.chat("retry", "threads.retry_after_item", {"thread_id": thread_id, "item_id": question["id"]})
    await caller.chat("after the retry", "items.list", {"thread_id": thread_id, "limit": 4})
    await _say(caller, thread_id, "goodbye P-102")


async def _threads(caller: Caller, thread_id: str) -> None:
    await caller.chat("get", "threads.get_by_id", {"thread_id": thread_id})
    page = await caller.chat("first page", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 12})
    after = page[0].get("after")
    params = {"thread_id": thread_id, "order": "asc", "limit": 100, "after": after}
    await caller.chat("second page", "items.list", params)
    await caller.chat("rename", "threads.update", {"thread_id": thread_id, "title": "My vase"})
    other = await caller.chat("create as omar", "threads.create", {"input": message("track P-201")}, "omar")
    other_id = other[0]["thread"]["id"]
    await _say(caller, other_id, "track P-101", "not omar's parcel", customer="omar")
    await _say(caller, other_id, "cite your sources", customer="omar")
    await caller.chat("list", "threads.list", {"limit": 10})
    await caller.chat("list, oldest first", "threads.list", {"limit": 1, "order": "asc"})


async def _routes(caller: Caller) -> None:
    await caller.get("ida's parcels", "/desk/parcels")
    await caller.get("omar's parcels", "/desk/parcels", "omar")
    await caller.get("one parcel", "/desk/parcels/P-101")
    await caller.get("no such parcel", "/desk/parcels/P-201")


async def _mistakes(caller: Caller, thread_id: str) -> None:
    await caller.post("not JSON", "{")
    await caller.chat("no such request", "threads.paint", {})
    await caller.chat("get an unknown thread", "threads.get_by_id", {"thread_id": "thr_unknown"})
    await _say(caller, "thr_unknown", "hello", "write to an unknown thread")
    action = {"type": "slot.explode", "payload": {}}
    await caller.chat("an undeclared action", "threads.custom_action", {"thread_id": thread_id, "action": action})
    choice = {"type": "slot.choose", "payload": {"number": "P-101", "slot": "tomorrow"}}
    clicked = {"thread_id": thread_id, "item_id": "msg_unknown", "action": choice}
    await caller.chat("an action of an unknown item", "threads.custom_action", clicked)
    empty = {"thread_id": thread_id, "action": {**choice, "payload": {}}}
    await caller.chat("an action without its payload", "threads.custom_action", empty)
    retried = {"thread_id": thread_id, "item_id": "msg_unknown"}
    await caller.chat("retry an unknown item", "threads.retry_after_item", retried)
    praised = {"thread_id": thread_id, "item_ids": ["msg_unknown"], "kind": "positive"}
    await caller.chat("feedback about nothing", "items.feedback", praised)
    await caller.chat("a sync action", "threads.sync_custom_action", {"thread_id": thread_id, "action": choice})
    await caller.chat("dictation", "input.transcribe", {"audio_base64": "AAAA", "mime_type": "audio/webm"})
    await caller.chat("a limit of -1", "threads.list", {"limit": -1})


async def _delete(caller: Caller, thread_id: str) -> None:
    await caller.chat("delete", "threads.delete", {"thread_id": thread_id})
    await caller.chat("get after delete", "threads.get_by_id", {"thread_id": thread_id})
    await caller.chat("list after delete", "threads.list", {})
    broken = {**message("look at this"), "attachments": ["atc_unknown"]}
    await caller.chat("create with an unknown attachment", "threads.create", {"input": broken})
    await caller.chat("list in the end", "threads.list", {})
