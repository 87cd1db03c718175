"""Tool calls that need the user's approval: shown as cards, stored with their run, resumed or declined by a click.

The stopped run is stored in its thread as a ModelItem: it survives a restart, and is deleted with the thread or by a
retry.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from agents import Agent, FunctionTool, Handoff, RunContextWrapper, RunState, ToolApprovalItem
from chatkit.types import ThreadItem, ThreadItemReplacedEvent, WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.assemble.approvals import DEFAULT_APPROVAL, BuiltApproval, tool_signature
from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.project import Snapshot
from runtime.config.references import transfer_name
from runtime.errors import RequestError
from runtime.sdk_internals import current_agent_of, point_to
from runtime.server.turns.hosted_calls import hosted_call_items, read_request, signature_of_request, without_credentials
from runtime.server.turns.model_items import new_model_item
from runtime.stores.ids import new_id
from runtime.stores.store import ModelItem
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.server")

APPROVAL_ACTION = "runtime.approval"
"""The action type of an approval's buttons; the runtime handles it."""
EXPIRED = "This request has expired because the assistant was updated."

CardStatus = Literal["approved", "denied", "passed", "outdated"]
_CAPTIONS: Mapping[str, str] = {
    "approved": "Approved.",
    "denied": "Denied.",
    "passed": "Not answered.",
    "outdated": "Expired: the assistant was updated.",
}


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A tool call that waits for approval, and its card; `allowed` is the user's decision. Stored as JSON."""

    call_id: str
    tool: str
    signature: str
    item_id: str
    rejection: str
    title: str
    text: str
    allowed: bool | None = None
    hosted: dict[str, str] | None = None
    """The approval request of a hosted tool, which OpenAI calls; see hosted_calls.py."""

    @property
    def declined(self) -> list[dict[str, Any]]:
        """The model items that say in later turns that the call was not run."""
        if self.hosted is not None:
            return hosted_call_items(self.call_id, self.hosted, self.rejection)
        return [{"type": "function_call_output", "call_id": self.call_id, "output": self.rejection}]


@dataclass(frozen=True, slots=True)
class PendingRun:
    """A stopped run: its state, the keys of its first and its current agent, and its calls. Stored as JSON."""

    starter: str
    agent: str
    calls: tuple[PendingCall, ...]
    state: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, item: ThreadItem) -> PendingRun | None:
        """Return the run that an item stores; None for other items."""
        if not isinstance(item, ModelItem) or "pending_run" not in item.content:
            return None
        stored = item.content["pending_run"]
        calls = tuple(PendingCall(**call) for call in stored["calls"])
        return cls(stored["starter"], stored["agent"], calls, stored["state"])

    def to_item(self, item_id: str, thread_id: str) -> ModelItem:
        """Return the item that stores the run."""
        content = {"pending_run": {**asdict(self), "calls": [asdict(call) for call in self.calls]}}
        return ModelItem(id=item_id, thread_id=thread_id, created_at=datetime.now(UTC), content=content)

    def decide(self, call_id: str, allowed: bool) -> PendingRun:
        """Return the run with the user's decision about one call."""
        calls = (replace(call, allowed=allowed) if call.call_id == call_id else call for call in self.calls)
        return replace(self, calls=tuple(calls))

    def outputs(self, thread_id: str) -> ModelItem:
        """Return the item that gives every call the output of a declined one; the run is not resumed."""
        return new_model_item(thread_id, {"model_items": [item for call in self.calls for item in call.declined]})

    def denials(self, thread_id: str) -> list[ModelItem]:
        """Return items for denied hosted calls, which the resumed run does not report itself."""
        denied = [call for call in self.calls if call.hosted is not None and not call.allowed]
        return [new_model_item(thread_id, {"model_items": call.declined}) for call in denied]


def find_pending(items: Sequence[ThreadItem]) -> tuple[ThreadItem, PendingRun] | None:
    """Return the run that a thread stores, and the item that stores it."""
    for item in reversed(items):
        run = PendingRun.of(item)
        if run is not None:
            return item, run
    return None


def stop_for_approval(
    snapshot: Snapshot, context: RuntimeContext, starter: str, state: RunState[Any, Any]
) -> tuple[list[WidgetItem], ModelItem]:
    """Return the cards that ask for approval of a stopped run's calls, and the item that stores the run."""
    calls: list[PendingCall] = []
    cards: list[WidgetItem] = []
    for interruption in state.get_interruptions():
        raw = _raw_item(interruption)
        name, call_id = interruption.tool_name or "", _call_id(raw)
        hosted = read_request(raw)
        approval = snapshot.approvals.get(name, DEFAULT_APPROVAL) if hosted is None else DEFAULT_APPROVAL
        label = name if hosted is None else f"{name} of {hosted['server_label']}"
        # Commands and patches have no arguments; the user has to see them.
        arguments = raw.get("arguments") or json.dumps(raw.get("action") or raw.get("operation") or {})
        title, text = _texts(approval, context, label, arguments)
        call = PendingCall(
            call_id,
            name,
            _signature(interruption.agent, name, hosted),
            context.generate_id("message"),
            approval.texts.rejection,
            title,
            text,
            hosted=hosted,
        )
        calls.append(call)
        cards.append(_card_item(call, context.thread.id, _card(call, approval)))
    agent = _key_of(snapshot, state, starter)
    stored = without_credentials(state.to_json(context_serializer=lambda value: {}))
    pending = PendingRun(starter, agent, tuple(calls), stored)
    return cards, pending.to_item(new_id("call"), context.thread.id)


def _key_of(snapshot: Snapshot, state: RunState[Any, Any], starter: str) -> str:
    current = current_agent_of(state)
    name = current.name if current is not None else ""
    keys = [key for key, agent in snapshot.agents.items() if agent.name == name]
    return starter if starter in keys or not keys else keys[0]


async def load_state(
    snapshot: Snapshot, context: RuntimeContext, pending: PendingRun, start: Agent[RuntimeContext]
) -> tuple[Agent[RuntimeContext], RunState[Any, Any]]:
    """Return what `Runner` resumes: a hub agent, and the run's state with the user's decisions; `start` began the run.

    The SDK finds agents by references that our handoffs do not have, and walks their graph six times. The hub refers to
    the agents that the state names, and to no others.
    """
    names = _texts_in(pending.state)
    others = [agent for agent in snapshot.agents.values() if agent.name in names and agent.name != start.name]
    hub: Agent[RuntimeContext] = Agent(name="", handoffs=[_pointer(agent) for agent in (start, *others)])
    wrapper: RunContextWrapper[RuntimeContext] = RunContextWrapper(context)
    stored = {**pending.state, "original_input": _with_plain_answers(pending.state.get("original_input"))}
    state: RunState[Any, Any] = await RunState.from_json(hub, stored, context_override=wrapper)
    calls = {call.call_id: call for call in pending.calls}
    for interruption in state.get_interruptions():
        call = calls[_call_id(_raw_item(interruption))]
        if call.allowed:
            state.approve(interruption)
        else:
            state.reject(interruption, rejection_message=call.rejection)
    return hub, state


def _with_plain_answers(items: Any) -> Any:
    """Return the input of a stored run with earlier answers as texts: the SDK stores parts, which its models refuse."""
    if not isinstance(items, list):
        return items
    return [_plain_answer(item) if item.get("role") == "assistant" and "id" not in item else item for item in items]


def _plain_answer(item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    if not isinstance(content, list) or not all(part.get("type") == "output_text" for part in content):
        return item
    return {"role": "assistant", "content": "".join(part["text"] for part in content)}


def _raw_item(interruption: ToolApprovalItem) -> dict[str, Any]:
    raw = interruption.raw_item
    return raw if isinstance(raw, dict) else raw.model_dump(exclude_none=True)


def _call_id(raw: Mapping[str, Any]) -> str:
    return str(raw.get("call_id") or raw.get("id"))


def _texts_in(state: dict[str, Any]) -> set[str]:
    """Return every text in a state, keys included: it names agents in many places."""
    texts: set[str] = set()
    stack: list[Any] = [state]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict):
            stack += value
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    return texts


def _pointer(agent: Agent[RuntimeContext]) -> Handoff[Any, Any]:
    """Make a handoff that no model gets, by which the SDK finds an agent."""

    async def unused(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        return agent

    pointer: Handoff[Any, Any] = Handoff(
        tool_name=transfer_name(agent.name),
        tool_description="",
        input_json_schema={},
        on_invoke_handoff=unused,
        agent_name=agent.name,
        is_enabled=False,
    )
    point_to(pointer, agent)
    return pointer


def is_expired(snapshot: Snapshot, pending: PendingRun) -> bool:
    """Return whether an agent or a tool of a stored run was removed, or takes other arguments since an update."""
    if pending.starter not in snapshot.agents or pending.agent not in snapshot.agents:
        return True
    agents = snapshot.agents.values()
    return any(
        call.signature and all(_signature(agent, call.tool, call.hosted) != call.signature for agent in agents)
        for call in pending.calls
    )


def answered_card(items: Sequence[ThreadItem], call: PendingCall, status: CardStatus) -> WidgetItem:
    """Return the card of a call that no longer waits: without buttons, and in the place of its card in the thread."""
    children = [*_components(call), {"type": "Caption", "value": _CAPTIONS[status]}]
    card = _card_item(call, items[-1].thread_id, {"type": "Card", "size": "sm", "children": children})
    shown = next((item for item in items if item.id == call.item_id), None)
    return card if shown is None else card.model_copy(update={"created_at": shown.created_at})


def decline(
    items: Sequence[ThreadItem], pending: PendingRun, status: CardStatus
) -> tuple[list[ThreadItem], list[ThreadItemReplacedEvent]]:
    """Decline the calls of a run. Return the items to write, the calls' outputs last, and the events to send."""
    cards = [answered_card(items, call, status) for call in pending.calls if call.allowed is None]
    outputs = pending.outputs(items[-1].thread_id)
    return [*cards, outputs], [ThreadItemReplacedEvent(item=card) for card in cards]


def read_decision(payload: Any) -> tuple[str, bool]:
    """Return the call's id and the user's decision from a click's payload. Raise RequestError (400)."""
    call_id = payload.get("call_id") if isinstance(payload, dict) else None
    approved = payload.get("approved") if isinstance(payload, dict) else None
    if not isinstance(call_id, str) or not isinstance(approved, bool):
        raise RequestError(
            400, "invalid_payload", f"the payload of action {APPROVAL_ACTION!r} needs 'call_id' and 'approved'"
        )
    return call_id, approved


def _card(call: PendingCall, approval: BuiltApproval) -> dict[str, Any]:
    def button(label: str, approved: bool) -> dict[str, Any]:
        action = {"type": APPROVAL_ACTION, "payload": {"call_id": call.call_id, "approved": approved}}
        return {"label": label, "action": action}

    return {
        "type": "Card",
        "size": "sm",
        "children": _components(call),
        "confirm": button(approval.texts.approve, True),
        "cancel": button(approval.texts.deny, False),
    }


def _components(call: PendingCall) -> list[dict[str, Any]]:
    title = {"type": "Title", "value": call.title, "size": "sm"}
    return [title, {"type": "Markdown", "value": call.text}] if call.text else [title]


def _card_item(call: PendingCall, thread_id: str, tree: dict[str, Any]) -> WidgetItem:
    widget = DynamicWidgetRoot.model_validate(tree)
    return WidgetItem(
        id=call.item_id, thread_id=thread_id, created_at=datetime.now(UTC), widget=widget, copy_text=call.title
    )


def _texts(approval: BuiltApproval, context: RuntimeContext, name: str, arguments: str) -> tuple[str, str]:
    try:
        values = json.loads(arguments)
    except json.JSONDecodeError:
        values = {}
    values = values if isinstance(values, dict) else {}
    scope = {**scope_of(context), "args": values}
    title = _render(approval.title, scope, name, "title") or f"Allow {name}?"
    return title, _render(approval.text, scope, name, "text") or "\n".join(
        f"- {key}: {_escape(value)}" for key, value in values.items()
    )


def _render(template: Template | None, scope: Mapping[str, Any], tool: str, key: str) -> str:
    try:
        return "" if template is None else str(template.render(scope))
    except TemplateError as error:
        logger.warning("`needs_approval.%s` of the tool %r can't be rendered: %s", key, tool, error)
        return ""  # our own text replaces it


def _escape(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>#|" else mark for mark in " ".join(text.split()))


def _signature(agent: Any, name: str, hosted: dict[str, str] | None) -> str:
    tools = getattr(agent, "tools", ())
    if hosted is not None:
        return signature_of_request(hosted, tools)
    functions = (tool for tool in tools if isinstance(tool, FunctionTool) and tool.name == name)
    return next(map(tool_signature, functions), "")
