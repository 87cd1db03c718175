"""Calls that wait for the user's word: shown as a card, stored with their run, resumed or declined by a click.

A run that stops for them is kept in its thread as a ModelItem, so that it survives a restart, and goes with a retry or
with the thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from agents import Agent, FunctionTool, Handoff, RunContextWrapper, RunState
from chatkit.types import ThreadItem, ThreadItemReplacedEvent, WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.assemble.approvals import DEFAULT_APPROVAL, BuiltApproval, tool_signature
from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.sdk_internals import current_agent_of, point_to
from runtime.server.turns.hosted_calls import read_request, signature_of_request, told_call, without_credentials
from runtime.stores.ids import new_id
from runtime.stores.store import ModelItem
from runtime.templates.template import Template, TemplateError

ACTION = "runtime.approval"
"""The type of the clicks on an approval's buttons; the runtime answers them itself."""
GONE = "This is no longer asked: the assistant was changed since."

Outcome = Literal["approved", "denied", "passed", "outdated"]
_SHOWN: Mapping[str, str] = {
    "approved": "Approved.",
    "denied": "Denied.",
    "passed": "Not answered.",
    "outdated": "No longer possible: the assistant was changed.",
}


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """One call that waits: which tool, whose arguments, in which card; `allowed` once the user has said so."""

    call_id: str
    tool: str
    signature: str
    item_id: str
    rejection: str
    title: str
    text: str
    allowed: bool | None = None
    hosted: dict[str, str] | None = None
    """What the model asked for, where OpenAI is to call the tool; see runtime/server/turns/hosted_calls.py."""

    @property
    def declined(self) -> list[dict[str, Any]]:
        """How later turns are told that the call was not carried out."""
        if self.hosted is not None:
            return told_call(self.call_id, self.hosted, self.rejection)
        return [{"type": "function_call_output", "call_id": self.call_id, "output": self.rejection}]


@dataclass(frozen=True, slots=True)
class PendingRun:
    """A run that stopped: its state, the agents that began and that stopped, and the calls that wait."""

    starter: str
    agent: str
    calls: tuple[WaitingCall, ...]
    state: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, item: ThreadItem) -> PendingRun | None:
        """Read what a thread's item keeps; None for other items."""
        if not isinstance(item, ModelItem) or "pending_run" not in item.content:
            return None
        kept = item.content["pending_run"]
        calls = tuple(WaitingCall(**call) for call in kept["calls"])
        return cls(kept["starter"], kept["agent"], calls, kept["state"])

    def to_item(self, item_id: str, thread_id: str) -> ModelItem:
        """The item that keeps it."""
        kept = {**asdict(self), "calls": [asdict(call) for call in self.calls]}
        return ModelItem(id=item_id, thread_id=thread_id, created_at=datetime.now(UTC), content={"pending_run": kept})

    def decide(self, call_id: str, allowed: bool) -> PendingRun:
        """The same with the user's word on one call."""
        calls = (replace(call, allowed=allowed) if call.call_id == call_id else call for call in self.calls)
        return replace(self, calls=tuple(calls))

    def outputs(self, thread_id: str) -> ModelItem:
        """Answer every call as declined, for a run that is not resumed."""
        return _told([item for call in self.calls for item in call.declined], thread_id)

    def refusals(self, thread_id: str) -> list[ModelItem]:
        """What later turns are told of denied calls, where the run itself that is resumed does not say it."""
        denied = [call for call in self.calls if call.hosted is not None and not call.allowed]
        return [_told(call.declined, thread_id) for call in denied]


def _told(items: list[dict[str, Any]], thread_id: str) -> ModelItem:
    return ModelItem(
        id=new_id("call"), thread_id=thread_id, created_at=datetime.now(UTC), content={"model_items": items}
    )


def find_pending(items: Sequence[ThreadItem]) -> tuple[ThreadItem, PendingRun] | None:
    """The run that waits in a thread, and the item that keeps it."""
    for item in reversed(items):
        run = PendingRun.of(item)
        if run is not None:
            return item, run
    return None


def stop_for_approval(
    snapshot: Snapshot, context: RuntimeContext, starter: str, state: RunState[Any, Any]
) -> tuple[list[WidgetItem], ModelItem]:
    """The cards that ask for the calls of a run that stopped, and the item that keeps the run."""
    calls: list[WaitingCall] = []
    cards: list[WidgetItem] = []
    for asked in state.get_interruptions():
        raw = asked.raw_item if isinstance(asked.raw_item, dict) else asked.raw_item.model_dump(exclude_none=True)
        name, call_id = asked.tool_name or "", str(raw.get("call_id") or raw.get("id"))
        hosted = read_request(raw)
        how = snapshot.approvals.get(name, DEFAULT_APPROVAL) if hosted is None else DEFAULT_APPROVAL
        shown = name if hosted is None else f"{name} of {hosted['server_label']}"
        # Commands and patches are no arguments, and what the user most needs to see.
        arguments = raw.get("arguments") or json.dumps(raw.get("action") or raw.get("operation") or {})
        title, text = _words(how, context, shown, arguments)
        call = WaitingCall(
            call_id,
            name,
            _signature(asked.agent, name, hosted),
            context.generate_id("message"),
            how.texts.rejection,
            title,
            text,
            hosted=hosted,
        )
        calls.append(call)
        cards.append(_item(call, context.thread.id, _card(call, how)))
    agent = _key_of(snapshot, state, starter)
    kept = without_credentials(state.to_json(context_serializer=lambda value: {}))
    pending = PendingRun(starter, agent, tuple(calls), kept)
    return cards, pending.to_item(new_id("call"), context.thread.id)


def _key_of(snapshot: Snapshot, state: RunState[Any, Any], starter: str) -> str:
    current = current_agent_of(state)
    name = current.name if current is not None else ""
    keys = [key for key, agent in snapshot.agents.items() if agent.name == name]
    return starter if starter in keys or not keys else keys[0]


async def load_state(
    snapshot: Snapshot, context: RuntimeContext, pending: PendingRun, start: Agent[RuntimeContext]
) -> tuple[Agent[RuntimeContext], RunState[Any, Any]]:
    """What `Runner` resumes: a hub, and the state of the run with the user's word in it; `start` began the run.

    The SDK looks agents up along references that our handoffs do not carry, and walks that graph six times: the hub has
    such references to the agents that the state names, and to no others.
    """
    named = _texts_in(pending.state)
    others = [agent for agent in snapshot.agents.values() if agent.name in named and agent.name != start.name]
    hub: Agent[RuntimeContext] = Agent(name="", handoffs=[_pointer(agent) for agent in (start, *others)])
    wrapper: RunContextWrapper[RuntimeContext] = RunContextWrapper(context)
    state: RunState[Any, Any] = await RunState.from_json(hub, pending.state, context_override=wrapper)
    said = {call.call_id: call for call in pending.calls}
    for asked in state.get_interruptions():
        raw = asked.raw_item if isinstance(asked.raw_item, dict) else asked.raw_item.model_dump(exclude_none=True)
        call = said[str(raw.get("call_id") or raw.get("id"))]
        if call.allowed:
            state.approve(asked)
        else:
            state.reject(asked, rejection_message=call.rejection)
    return hub, state


def _texts_in(state: dict[str, Any]) -> set[str]:
    """Every text in it, keys among them; agents are referred to by their names, in many places."""
    texts: set[str] = set()
    left: list[Any] = [state]
    while left:
        value = left.pop()
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, list):
            left += value
    return texts


def _pointer(agent: Agent[RuntimeContext]) -> Handoff[Any, Any]:
    """A handoff that no model is offered, and that the SDK finds an agent by."""

    async def never(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        return agent

    pointer: Handoff[Any, Any] = Handoff(
        tool_name=Handoff.default_tool_name(agent),
        tool_description="",
        input_json_schema={},
        on_invoke_handoff=never,
        agent_name=agent.name,
        is_enabled=False,
    )
    point_to(pointer, agent)
    return pointer


def is_outdated(snapshot: Snapshot, pending: PendingRun) -> bool:
    """Tell whether the agents or the tools of a run that waits are gone, or take other arguments by now."""
    if pending.starter not in snapshot.agents or pending.agent not in snapshot.agents:
        return True
    agents = snapshot.agents.values()
    return any(
        call.signature and all(_signature(agent, call.tool, call.hosted) != call.signature for agent in agents)
        for call in pending.calls
    )


def answered_card(call: WaitingCall, outcome: Outcome, thread_id: str, created_at: datetime) -> WidgetItem:
    """The card of a call about which there is nothing more to say."""
    tree = {
        "type": "Card",
        "size": "sm",
        "children": [*_texts(call), {"type": "Caption", "value": _SHOWN[outcome]}],
    }
    return _item(call, thread_id, tree).model_copy(update={"created_at": created_at})


def redraw(items: Sequence[ThreadItem], call: WaitingCall, outcome: Outcome) -> WidgetItem:
    """The card of a call as it is shown once the call is answered, in its place among the thread's items."""
    shown = next((item for item in items if item.id == call.item_id), None)
    thread_id = items[-1].thread_id
    return answered_card(call, outcome, thread_id, shown.created_at if shown else datetime.now(UTC))


def pass_by(
    items: Sequence[ThreadItem], pending: PendingRun, outcome: Outcome
) -> tuple[list[ThreadItem], list[ThreadItemReplacedEvent]]:
    """Decline the calls of a run that will not be resumed: what to write, the calls' outputs last, and to send."""
    cards = [redraw(items, call, outcome) for call in pending.calls if call.allowed is None]
    outputs = pending.outputs(items[-1].thread_id)
    return [*cards, outputs], [ThreadItemReplacedEvent(item=card) for card in cards]


def read_decision(payload: Any) -> tuple[str, bool]:
    """The call and the user's word on it, from a click's payload. Raise RequestError (400)."""
    call_id = payload.get("call_id") if isinstance(payload, dict) else None
    approved = payload.get("approved") if isinstance(payload, dict) else None
    if not isinstance(call_id, str) or not isinstance(approved, bool):
        raise RequestError(400, "invalid_payload", f"the payload of action {ACTION!r} needs 'call_id' and 'approved'")
    return call_id, approved


def _card(call: WaitingCall, how: BuiltApproval) -> dict[str, Any]:
    def button(label: str, approved: bool) -> dict[str, Any]:
        action = {"type": ACTION, "payload": {"call_id": call.call_id, "approved": approved}}
        return {"label": label, "action": action}

    return {
        "type": "Card",
        "size": "sm",
        "children": _texts(call),
        "confirm": button(how.texts.approve, True),
        "cancel": button(how.texts.deny, False),
    }


def _texts(call: WaitingCall) -> list[dict[str, Any]]:
    title = {"type": "Title", "value": call.title, "size": "sm"}
    return [title, {"type": "Markdown", "value": call.text}] if call.text else [title]


def _item(call: WaitingCall, thread_id: str, tree: dict[str, Any]) -> WidgetItem:
    widget = DynamicWidgetRoot.model_validate(tree)
    return WidgetItem(
        id=call.item_id, thread_id=thread_id, created_at=datetime.now(UTC), widget=widget, copy_text=call.title
    )


def _words(how: BuiltApproval, context: RuntimeContext, name: str, arguments: str) -> tuple[str, str]:
    try:
        values = json.loads(arguments)
    except json.JSONDecodeError:
        values = {}
    scope = {**scope_of(context), "args": values}
    title = _filled(how.title, scope) or f"Allow {name}?"
    return title, _filled(how.text, scope) or "\n".join(f"- {key}: {_plain(value)}" for key, value in values.items())


def _filled(template: Template | None, scope: Mapping[str, Any]) -> str:
    try:
        return "" if template is None else str(template.render(scope))
    except TemplateError:
        return ""  # the words of our own say what there is to say


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>#|" else mark for mark in " ".join(text.split()))


def _signature(agent: Any, name: str, hosted: dict[str, str] | None) -> str:
    tools = getattr(agent, "tools", ())
    if hosted is not None:
        return signature_of_request(hosted, tools)
    functions = (tool for tool in tools if isinstance(tool, FunctionTool) and tool.name == name)
    return next(map(tool_signature, functions), "")
