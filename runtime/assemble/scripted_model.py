"""An offline, deterministic model: answers from a script in YAML, streams like a real one, and needs no key.

A script is a list of turns, tried in order; the first one that fits replies. A turn needs its `reply` alone.

```yaml
delay: 20ms                          # between the chunks of a text; 0 when left out
turns:
  - user: /weather in (?P<city>[a-z ]+)/      # between slashes: a regular expression, in any case
    reply:
      - think: They want numbers.
      - say: "Let me look at {{ match.city }}."
      - call: {get_weather: {city: "{{ match.city }}"}}      # several tools in one `call` run in parallel
      - say: "{{ data.summary }}"    # said once the tool has answered
  - user: weather                    # these words, in any case; a list means any of them
    reply: It is sunny.
  - user: refund
    reply: {handoff: billing}
  - user: crash
    reply: [{say: One moment}, {fail: the model is overloaded}]
  - context: /selected (?P<id>\\w+)/          # hidden context that came after the user's last words
    reply: "You picked {{ match.id }}."
  - instructions: title              # what the agent is told; also `agent: name` and `tools: [name]`
    reply: "{{ user[:20] }}"
otherwise: I have no answer to that.
```

A reply is a text, a step, or a list of steps: `say`, `think`, `call`, `handoff`, `fail`, each with a `delay` of its own
if need be. A `call` or `handoff` ends the response; the steps after it are given when its result is there. Texts and
arguments are templates over `user`, `context`, `agent`, `match` (the groups of the expression), `result` (the latest
tool result as text), `data` (the same as data) and `results` (by tool). All keys of a turn must fit.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents import AgentOutputSchemaBase, Handoff, Model, ModelResponse, ModelSettings, ModelTracing, Tool, Usage
from agents.items import TResponseInputItem, TResponseStreamEvent
from openai.types.responses import Response, ResponseCompletedEvent
from openai.types.responses.response_prompt_param import ResponsePromptParam

from runtime.assemble.scripted_events import ScriptedFailure, estimate_tokens, play
from runtime.scripts.grammar import parse_script, read_script, read_script_text
from runtime.scripts.player import PastCall, Script, ScriptError, Situation, Step

__all__ = ["ScriptError", "ScriptedConversation", "ScriptedFailure", "load_script"]


def load_script(path: Path) -> ScriptedConversation:
    """Read the script at `path` and return the model that plays it; raises `ScriptError`."""
    return ScriptedConversation(read_script(Path(path)))


# Not agents' own ScriptedModel: it plays one queue of steps for all conversations, and keeps a deep copy of every call.
class ScriptedConversation(Model):
    """A model that plays a script; it keeps no state, so one object serves any number of conversations at once."""

    def __init__(self, script: Script, *, agent: str = "") -> None:
        self._script = script
        self._agent = agent

    @classmethod
    def from_data(cls, data: object, source: str = "") -> ScriptedConversation:
        """Check and compile a script that is parsed already; `source` names it in messages; raises `ScriptError`."""
        return cls(parse_script(data, source))

    @classmethod
    def from_text(cls, text: str, source: str = "") -> ScriptedConversation:
        """Read a script from YAML; `source` names it in messages; raises `ScriptError`."""
        return cls(read_script_text(text, source))

    def for_agent(self, name: str) -> ScriptedConversation:
        """Return the same model as the agent `name` sees it, for turns with `agent:`; the SDK does not tell models."""
        return ScriptedConversation(self._script, agent=name)

    def steps(self, situation: Situation) -> list[Step]:
        """Return what the model does next; raises `ScriptError` where the script says nothing."""
        return self._script.steps(situation)

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> ModelResponse:
        """Answer in one piece; raises `ScriptedFailure` at a `fail:` step."""
        situation = self._situation(system_instructions, input, tools, handoffs)
        response: Response | None = None
        async for event in play(self.steps(situation), input_tokens=_input_tokens(system_instructions, input)):
            if isinstance(event, ResponseCompletedEvent):
                response = event.response
        assert response is not None, "play() ends with response.completed"
        return ModelResponse(response.output, _usage(response), response.id)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: ResponsePromptParam | None = None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Answer in the events of the Responses API, other tasks running between them."""
        situation = self._situation(system_instructions, input, tools, handoffs)
        async for event in play(self.steps(situation), input_tokens=_input_tokens(system_instructions, input)):
            yield event

    def _situation(
        self,
        instructions: str | None,
        input: str | list[TResponseInputItem],
        tools: list[Tool],
        handoffs: list[Handoff],
    ) -> Situation:
        return read_situation(
            input,
            instructions=instructions or "",
            agent=self._agent,
            tools=(tool.name for tool in tools),
            handoffs={handoff.tool_name: handoff.agent_name for handoff in handoffs},
        )


def _input_tokens(instructions: str | None, input: str | list[TResponseInputItem]) -> int:
    return estimate_tokens(_characters(input) + len(instructions or ""))


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, (value.get(key) for key in ("content", "text", "arguments", "output"))))
    return sum(map(_characters, value)) if isinstance(value, list) else 0


def _usage(response: Response) -> Usage:
    usage = response.usage
    assert usage is not None, "a completed response has its usage"
    return Usage(
        requests=1,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
    )


# Read the input of a model call the way a script sees it: the user's last words, and what has happened since.

_Kind = Literal["words", "context", "display", "reply", "call", "output", "other"]

# What stands after the user's words and may ask the agent for an answer of its own.
_CONTEXT_STARTS = (
    "Hidden context for the agent",
    "A structured input request was displayed",
)
# What the agent has shown the user.
_DISPLAY_STARTS = (
    "The following graphical UI widget",
    "The following image was generated by the agent",
    "A message was displayed to the user",
)
# What explains the user's words.
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
    """Read input items of the Responses API, or a bare text; `handoffs` maps tool names to agent names."""
    turn = _Since(user=items) if isinstance(items, str) else _read_turn([i for i in items if isinstance(i, Mapping)])
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
    """Join the texts of a message's content, or of a function's output; images and files have none."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") or part.get("refusal") or "" for part in content if isinstance(part, Mapping))
    return "".join(part for part in parts if isinstance(part, str))


@dataclass(slots=True)
class _Since:
    """What has happened since the user's last words; `context_at` counts the calls made before the last context."""

    user: str = ""
    context: str = ""
    answered: bool = False
    context_at: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def past(self, start: int) -> tuple[PastCall, ...]:
        return tuple(PastCall(name, self.outputs.get(call_id)) for call_id, name in self.calls[start:])


def _read_turn(items: Sequence[Mapping[str, Any]]) -> _Since:
    start = next((index for index in reversed(range(len(items))) if _kind_of(items[index]) == "words"), None)
    turn = _Since(user="" if start is None else text_of(items[start].get("content")))
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
    return "other" if text.startswith(_NOTE_STARTS) else "words"


def _unwrapped(text: str) -> str:
    found = _WRAPPED.fullmatch(text)
    return found[1] if found else text
