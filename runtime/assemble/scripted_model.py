"""An offline, deterministic model that plays a script in YAML (docs/guide/scripted.md) like a real endpoint."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents import AgentOutputSchemaBase, Handoff, Model, ModelResponse, ModelSettings, Tool, Usage
from agents.items import TResponseInputItem, TResponseStreamEvent
from openai.types.responses import ResponseCompletedEvent

from runtime.assemble.scripted_events import ScriptedFailure, Sleep, estimate_tokens, play
from runtime.scripts.grammar import parse_script, read_script, read_script_text
from runtime.scripts.player import Call, PastCall, Say, Script, ScriptError, Situation, Step

__all__ = ["ScriptError", "ScriptedConversation", "ScriptedFailure", "load_script"]


def load_script(path: Path) -> ScriptedConversation:
    """Read the script at `path` and return the model that plays it. Raise ScriptError."""
    return ScriptedConversation(read_script(Path(path)))


# Not the ScriptedModel of the SDK: that one plays a single queue of steps for all conversations, and stores every call.
class ScriptedConversation(Model):
    """A model that plays a script, without state: one object serves all conversations. `sleep` waits for its delays."""

    def __init__(self, script: Script, *, agent: str = "", sleep: Sleep | None = None) -> None:
        self._script, self._agent, self._sleep = script, agent, sleep

    @classmethod
    def from_data(cls, data: object, source: str = "", *, sleep: Sleep | None = None) -> ScriptedConversation:
        """Return the model of a script given as data; `source` names it in messages. Raise ScriptError."""
        return cls(parse_script(data, source), sleep=sleep)

    @classmethod
    def from_text(cls, text: str, source: str = "") -> ScriptedConversation:
        """Return the model of a script in YAML; `source` names it in messages. Raise ScriptError."""
        return cls(read_script_text(text, source))

    def for_agent(self, name: str) -> ScriptedConversation:
        """Return the model for one agent, for turns with `agent:`: the SDK does not pass the agent to models."""
        return ScriptedConversation(self._script, agent=name, sleep=self._sleep)

    @property
    def agent(self) -> str:
        """The name of the agent that it answers for; empty if it is not known."""
        return self._agent

    def refuse_unknown_agent(self) -> None:
        """Raise ScriptError if a turn depends on the agent, and the agent is not known: the turn would never match."""
        for turn in self._script.turns if not self._agent else ():
            if any(matcher.key == "agent" for matcher in turn.matchers):
                message = "this turn never matches: requests to the API do not name the agent"
                hint = "match 'instructions' or 'tools', or serve the model of one agent: for_agent(name)"
                raise ScriptError(message, (*turn.path[:-1], "agent"), hint=hint, source=self._script.source)

    def steps(self, situation: Situation) -> list[Step]:
        """Return the model's next steps. Raise ScriptError if no turn matches."""
        return self._script.steps(situation)

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        *args: Any,
        **kwargs: Any,
    ) -> ModelResponse:
        """Return the whole response. Raise ScriptedFailure at a `fail:` step."""
        events = [event async for event in self._play(system_instructions, input, tools, output_schema, handoffs)]
        completed = events[-1]
        assert isinstance(completed, ResponseCompletedEvent)
        response, usage = completed.response, completed.response.usage
        assert usage is not None, "play() sets it"
        tokens = Usage(1, usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens)
        return ModelResponse(response.output, tokens, response.id)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        *args: Any,
        **kwargs: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Stream the response as events of the Responses API."""
        async for event in self._play(system_instructions, input, tools, output_schema, handoffs):
            yield event

    def _play(
        self,
        instructions: str | None,
        input: str | list[TResponseInputItem],
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
    ) -> AsyncIterator[TResponseStreamEvent]:
        situation = read_situation(
            input,
            instructions=instructions or "",
            agent=self._agent,
            tools=(tool.name for tool in tools),
            handoffs={handoff.tool_name: handoff.agent_name for handoff in handoffs},
        )
        tokens = estimate_tokens(_characters(input) + len(instructions or ""))
        steps = self.steps(situation)
        if output_schema is not None and not output_schema.is_plain_text():
            _refuse_two_answers(steps, situation)
        return play(steps, input_tokens=tokens, sleep=self._sleep)


def _refuse_two_answers(steps: Sequence[Step], situation: Situation) -> None:
    """Raise ScriptError where an agent with an output type answers and hands over in one response.

    The text would be its answer, and the next agent would answer the same message again.
    """
    hands_over = any(isinstance(step, Call) and step.name in situation.handoffs for step in steps)
    if hands_over and any(isinstance(step, Say) for step in steps):
        message = f"the agent {situation.agent!r} has an 'output', and the script lets it answer and hand over at once"
        raise ScriptError(message, hint="remove the text, or the handoff")


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, (value.get(key) for key in ("content", "text", "arguments", "output"))))
    return sum(map(_characters, value)) if isinstance(value, list) else 0


_Kind = Literal["message", "context", "display", "reply", "call", "output", "other"]

# Starts of texts that ChatKit's converter makes. These may follow the user's message and need an answer of their own.
_CONTEXT_STARTS = ("Hidden context for the agent", "A structured input request was displayed")
# These describe items that the agent showed.
_DISPLAY_STARTS = (
    "The following graphical UI widget",
    "The following image was generated by the agent",
    "A message was displayed to the user",
)
# These explain the user's message.
_NOTE_STARTS = ("# User-provided context", "The user is referring to this")
# Converters of published ChatKit backends send hidden context as one upper-case XML element.
_TAGGED = re.compile(r"\s*<([A-Z][A-Z0-9_]*)[^>]*>.*</\1>\s*", re.DOTALL)
_WRAPPED = re.compile(r".*?<HiddenContext>\n?(.*?)\n?</HiddenContext>\s*", re.DOTALL)


def read_situation(
    items: str | Iterable[Any],
    *,
    instructions: str = "",
    agent: str = "",
    tools: Iterable[str] = (),
    handoffs: Mapping[str, str] | None = None,
) -> Situation:
    """Read the user's last message, and what followed it; `handoffs` maps the names of tools to those of agents."""
    turn = _LastTurn(user=items) if isinstance(items, str) else _read_turn([i for i in items if isinstance(i, Mapping)])
    return Situation(
        user=turn.user,
        context=turn.context,
        answered=turn.answered,
        calls=turn.past(0),
        context_calls=turn.past(turn.context_at),
        instructions=instructions,
        agent=agent,
        tools=frozenset(tools),
        handoffs=handoffs or {},
    )


def text_of(content: object) -> str:
    """Join the texts of a message's content, or of a function's output; images and files are ignored."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") or part.get("refusal") or "" for part in content if isinstance(part, Mapping))
    return "".join(part for part in parts if isinstance(part, str))


@dataclass(slots=True)
class _LastTurn:
    """The events since the user's last message; `context_at` counts the calls before the last hidden context."""

    user: str = ""
    context: str = ""
    answered: bool = False
    context_at: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def past(self, start: int) -> tuple[PastCall, ...]:
        return tuple(PastCall(name, self.outputs.get(call_id)) for call_id, name in self.calls[start:])


def _read_turn(items: Sequence[Mapping[str, Any]]) -> _LastTurn:
    start = next((index for index in reversed(range(len(items))) if _kind_of(items[index]) == "message"), None)
    turn = _LastTurn(user="" if start is None else text_of(items[start].get("content")))
    happened = start is None
    last: _Kind = "other"
    for item in items[0 if start is None else start + 1 :]:
        kind = _kind_of(item)
        match kind:
            case "context":
                text = _unwrapped(text_of(item.get("content")))
                turn.context = f"{turn.context}\n{text}" if last == "context" else text
                turn.context_at = len(turn.calls)
                turn.answered = happened
            case "call":
                turn.calls.append((str(item.get("call_id")), str(item.get("name"))))
            case "output":
                turn.outputs[str(item.get("call_id"))] = text_of(item.get("output"))
        happened = happened or kind in ("display", "reply", "call")
        turn.answered = turn.answered and kind not in ("reply", "call")
        last = kind
    return turn


def _kind_of(item: Mapping[str, Any]) -> _Kind:
    match item.get("type", "message"), item.get("role"):
        case "message", "user":
            return _kind_of_text(text_of(item.get("content")))
        case "message", "assistant":
            return "reply"
        case "function_call", _:
            return "call"
        case "function_call_output", _:
            return "output"
    return "other"


def _kind_of_text(text: str) -> _Kind:
    if text.startswith(_CONTEXT_STARTS) or _TAGGED.fullmatch(text):
        return "context"
    if text.startswith(_DISPLAY_STARTS):
        return "display"
    return "other" if text.startswith(_NOTE_STARTS) else "message"


def is_users_words(text: str) -> bool:
    """Return whether the text of a user's message is from the user: not a context, nor the description of a widget."""
    return _kind_of_text(text) == "message"


def _unwrapped(text: str) -> str:
    wrapped = _WRAPPED.fullmatch(text)
    return wrapped[1] if wrapped else text
