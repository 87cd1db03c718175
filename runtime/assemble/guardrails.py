"""The `guardrails` section -> checks of the texts of users, agents and tools.

Guardrails of agents are enforced by the server's turn. Those of tools become the SDK's tool guardrails; an agent that
is a tool has its own guardrails enforced there too, because its inner run has no turn.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents import Agent, GuardrailFunctionOutput, InputGuardrail, OutputGuardrail, RunContextWrapper
from agents.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
)

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import ProjectFunctions, call_function
from runtime.assemble.instructions import Instructions, build_instructions
from runtime.assemble.models import Models
from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.config.model import Config
from runtime.config.model import guardrails as declared
from runtime.config.model.instructions import JUDGE_INSTRUCTIONS
from runtime.config.model.tools import AgentTool, Tool
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.key_path import KeyPath
from runtime.errors import RuntimeFault
from runtime.resources.patterns import LimitedPattern, PatternTimeout
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
tool_logger = logging.getLogger("runtime.tools")
T = TypeVar("T")
DEFAULT_MESSAGE = "I can't help with that."
Check = Callable[[RuntimeContext, Agent[Any], str], Awaitable[str | None]]
"""Returns the reason why a text is refused, or None."""


class GuardrailTripped(RuntimeFault):
    """A text was refused: `message` is for the user, `guardrail` and `reason` are for the log."""

    def __init__(self, guardrail: str, reason: str, message: str) -> None:
        self.guardrail, self.reason, self.message = guardrail, reason, message
        super().__init__(f"the guardrail {guardrail!r} tripped: {reason}")


@dataclass(frozen=True, slots=True)
class BuiltGuardrail:
    """One guardrail: its check, and how an agent applies it."""

    name: str
    check: Check
    parallel: bool
    hold: bool
    message: Template | None

    async def enforce(self, context: RuntimeContext, agent: Agent[Any], text: str) -> None:
        """Raise GuardrailTripped if the text is refused."""
        reason = await self.check(context, agent, text)
        if reason is not None:
            raise GuardrailTripped(self.name, reason, self._message(context, reason))

    def _message(self, context: RuntimeContext, reason: str) -> str:
        try:
            text = "" if self.message is None else str(self.message.render({**scope_of(context), "reason": reason}))
        except TemplateError as error:
            logger.warning("the message of guardrail %r can't be rendered: %s", self.name, error)
            text = ""
        return text or DEFAULT_MESSAGE


@dataclass(frozen=True, slots=True)
class GuardrailSet:
    """The guardrails of an agent's or a tool's input and output."""

    input: tuple[BuiltGuardrail, ...] = ()
    output: tuple[BuiltGuardrail, ...] = ()


NO_GUARDRAILS = GuardrailSet()


async def enforce(guardrails: Sequence[BuiltGuardrail], context: RuntimeContext, agent: Agent[Any], text: str) -> None:
    """Run all guardrails concurrently. Raise GuardrailTripped for the first that trips, or what one of them raises."""
    tasks = [asyncio.ensure_future(guardrail.enforce(context, agent, text)) for guardrail in guardrails]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class GuardrailRegistry:
    """The guardrails by name, and the sets of the agents that have some; import paths are built on demand."""

    config: Config
    files: ProjectFiles
    functions: ProjectFunctions
    models: Models
    agents: dict[str, GuardrailSet] = field(default_factory=dict)
    _built: dict[str, BuiltGuardrail] = field(default_factory=dict)

    def get(self, name: str) -> BuiltGuardrail:
        """Return the guardrail of that name or import path. Raise BuildError, AlreadyReported."""
        if name not in self._built:
            if name in self.config.guardrails:
                raise AlreadyReported
            if ":" not in name:
                raise BuildError(f"no guardrail is named {name!r}")
            self.add(name, declared.PythonGuardrail(python=name))
        return self._built[name]

    def add(self, name: str, entry: declared.Guardrail) -> None:
        """Build one guardrail. Raise BuildError, ResolveError."""
        message = Template.parse(entry.message) if entry.message else None
        self._built[name] = BuiltGuardrail(name, self._check(name, entry), entry.parallel, entry.hold, message)

    def guardrail_set(
        self, owner: KeyPath, entry: declared.AgentGuardrails | declared.ToolGuardrails, problems: Problems
    ) -> GuardrailSet:
        """Return the guardrails of the agent or tool with the key path `owner`."""
        built: dict[str, list[BuiltGuardrail]] = {"input": [], "output": []}
        for side, guardrails in built.items():
            for index, name in enumerate(getattr(entry, side)):
                with problems.record("A305", *owner, "guardrails", side, index):
                    guardrails.append(self.get(name))
        return GuardrailSet(tuple(built["input"]), tuple(built["output"]))

    def _check(self, name: str, entry: declared.Guardrail) -> Check:
        match entry:
            case declared.RegexGuardrail():
                return _by_regex(_compile(entry.regex))
            case declared.LengthGuardrail():
                return _by_length(entry.min_length, entry.max_length)
            case declared.JudgeGuardrail():
                return self._by_judge(name, entry)
            case declared.PythonGuardrail():
                return _by_python(self.functions, entry.python)

    def _by_judge(self, name: str, entry: declared.JudgeGuardrail) -> Check:
        question = build_instructions(
            entry.instructions, self.files, self.functions, ("guardrails", name, "instructions")
        )
        ask = self.models.get(entry.judge).asker("judge", _judge(question))
        asked = f": {question}" if isinstance(question, str) else ""

        async def check(context: RuntimeContext, agent: Agent[Any], text: str) -> str | None:
            answer = await ask(context, text or "(nothing)")
            words = re.findall(r"[a-z]+", answer.lower())
            if words[:1] == ["yes"]:
                return None
            if words[:1] != ["no"]:
                logger.warning("a judge answered neither yes nor no, which counts as no: %.80r", answer)
            return f"the judge answered no{asked and f' to{asked}'}"

        return check


def _judge(question: Instructions) -> Instructions:
    """Return the instructions of a judge that answers the question, which may be a function."""
    if not callable(question):
        return JUDGE_INSTRUCTIONS.format(question=question)

    async def instructions(context: RunContextWrapper[Any], agent: Agent[Any]) -> str:
        return JUDGE_INSTRUCTIONS.format(question=await call_function(question, context, agent))

    return instructions


def build_guardrails(
    config: Config,
    files: ProjectFiles,
    functions: ProjectFunctions,
    models: Models,
    own: Mapping[str, Agent[Any]],
    problems: Problems,
) -> GuardrailRegistry:
    """Build the declared guardrails and the sets of the agents; failures are recorded in `problems`."""
    registry = GuardrailRegistry(config, files, functions, models)
    for name, entry in config.guardrails.items():
        with problems.record("A305", "guardrails", name):
            registry.add(name, entry)
    for key, agent in config.agents.items():
        guardrails = registry.guardrail_set(("agents", key), agent.guardrails, problems)
        if key in own and not agent.has_key("guardrails"):
            guardrails = _own_guardrails(own[key], functions)
        if guardrails != NO_GUARDRAILS:
            registry.agents[key] = guardrails
    return registry


def _own_guardrails(agent: Agent[Any], functions: ProjectFunctions) -> GuardrailSet:
    """Return the SDK's guardrails of the project's own agent."""
    made = [
        tuple(
            BuiltGuardrail(guardrail.get_name(), _by_sdk(guardrail, functions), False, True, None)
            for guardrail in guardrails
        )
        for guardrails in (agent.input_guardrails, agent.output_guardrails)
    ]
    return GuardrailSet(*made)


def _compile(pattern: str) -> LimitedPattern:
    try:
        return LimitedPattern.compile(pattern)
    except ValueError as error:
        raise BuildError(str(error)) from error


def _by_regex(pattern: LimitedPattern) -> Check:
    async def check(context: RuntimeContext, agent: Agent[Any], text: str) -> str | None:
        try:
            return f"the text has {pattern.text!r}" if await pattern.found_in(text) else None
        except PatternTimeout as error:
            logger.warning("%s: the text counts as refused", error)
            return str(error)

    return check


def _by_length(minimum: int, maximum: int) -> Check:
    async def check(context: RuntimeContext, agent: Agent[Any], text: str) -> str | None:
        return None if minimum <= len(text) <= maximum else f"the text has {len(text)} characters"

    return check


def _by_python(functions: ProjectFunctions, path: str) -> Check:
    value = functions.code.resolve(path)
    if isinstance(value, InputGuardrail | OutputGuardrail):
        return _by_sdk(value, functions)
    if not callable(value) or isinstance(value, type):
        raise BuildError(f"{path!r} is {type(value).__name__}", "give a function of (ctx, text)", code="A324")
    function = functions.limited(value, path)

    async def check(context: RuntimeContext, agent: Agent[Any], text: str) -> str | None:
        answer = await function(RunContextWrapper(context), text)
        if isinstance(answer, str):
            return answer or None
        return f"{path} refused it" if answer else None

    return check


def _by_sdk(guardrail: InputGuardrail[Any] | OutputGuardrail[Any], functions: ProjectFunctions) -> Check:
    function = functions.limited(guardrail.guardrail_function, f"the guardrail {guardrail.get_name()!r}")

    async def check(context: RuntimeContext, agent: Agent[Any], text: str) -> str | None:
        wrapper: RunContextWrapper[Any] = RunContextWrapper(context)
        output: GuardrailFunctionOutput = await function(wrapper, agent, text)
        return str(output.output_info or guardrail.get_name()) if output.tripwire_triggered else None

    return check


# Guardrails of tools: a call that is refused is not made, an output that is refused is not sent to the model.


@dataclass(slots=True)
class ToolGuards:
    """The SDK's guardrails of one tool."""

    input: list[ToolInputGuardrail[Any]] = field(default_factory=list)
    output: list[ToolOutputGuardrail[Any]] = field(default_factory=list)


def tool_guards(name: str, entry: Tool, registry: GuardrailRegistry, problems: Problems) -> ToolGuards:
    """Return the guardrails of a tool, and of the agent if it is one; failures are recorded in `problems`."""
    own = registry.guardrail_set(
        ("tools", name), getattr(entry, "guardrails", None) or declared.ToolGuardrails(), problems
    )
    inner = registry.agents.get(entry.agent, NO_GUARDRAILS) if isinstance(entry, AgentTool) else NO_GUARDRAILS
    guards = ToolGuards()
    guards.input += [_tool_guardrail(ToolInputGuardrail, guardrail, _arguments) for guardrail in own.input]
    guards.input += [_tool_guardrail(ToolInputGuardrail, guardrail, _message_to_agent) for guardrail in inner.input]
    outputs = (*inner.output, *own.output)
    guards.output += [_tool_guardrail(ToolOutputGuardrail, guardrail, _output) for guardrail in outputs]
    return guards


def _arguments(data: ToolInputGuardrailData) -> str:
    return data.context.tool_arguments


def _message_to_agent(data: ToolInputGuardrailData) -> str:
    arguments = data.context.tool_arguments
    try:
        values = json.loads(arguments)
    except json.JSONDecodeError:
        return arguments
    message = values.get("input") if isinstance(values, dict) else None
    return message if isinstance(message, str) else arguments


def _output(data: ToolOutputGuardrailData) -> str:
    return str(data.output)


def _tool_guardrail(kind: Callable[..., T], guardrail: BuiltGuardrail, text_of: Callable[[Any], str]) -> T:
    async def check(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        context = data.context.context
        try:
            await guardrail.enforce(context, data.agent, text_of(data))
        except GuardrailTripped as tripped:
            tool_logger.info("tool %r in thread %s: %s", data.context.tool_name, context.thread.id, tripped)
            # `stop` must not end the turn after a call that was refused.
            context._turn_state.failed_calls.add(data.context.tool_call_id)
            return ToolGuardrailFunctionOutput.reject_content(tripped.message, output_info=tripped.reason)
        return ToolGuardrailFunctionOutput.allow()

    return kind(check, name=guardrail.name)
