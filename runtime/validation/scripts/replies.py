"""How the replies of a script end: with steps that are never reached, or before the turn does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from runtime.config.model.tools import AgentTool, AskTool, ClientTool, EffectTool, PythonTool, WidgetTool
from runtime.diagnostics.wording import quote
from runtime.scripts.player import ScriptTurn
from runtime.validation.checked_project import CheckedProject
from runtime.validation.identifier_search import IdentifierSearch
from runtime.validation.models import AgentTools
from runtime.validation.scripts.problems import Agents, ScriptProblem

# With these, Python ends the turn itself.
_ENDS_THE_TURN = ("call_client", "client_tool_call", "StopAtTools")


def unreached_steps(project: CheckedProject, turn: ScriptTurn, candidates: Agents) -> Iterator[ScriptProblem]:
    """Yield the first step after a call that ends the turn: the user's answers, or next message, begin another one."""
    for response, following in pairwise(turn.responses):
        if not response or response[-1].kind != "call" or len(response[-1].value) != 1:
            continue
        [(name, _)] = response[-1].value
        entries = [project.config.tools.get(tools.tools.get(name, "")) for tools in candidates.values()]
        kinds = [_ending(entry) for entry in entries]
        if following and kinds and all(kinds):
            message = f"this step is never reached: the turn ends after {name!r}"
            hint = "the answers are the user's next message: write a turn for it" if kinds[0] == "ask" else "remove it"
            yield ScriptProblem(following[0].path, message, hint, "warning")
            return


def _ending(entry: object) -> str:
    """Return how a tool ends the turn: `ask`, `stop`; an empty text if it does not."""
    return "ask" if isinstance(entry, AskTool) else "stop" if getattr(entry, "stop", False) else ""


def depends_on_words(turn: ScriptTurn) -> bool:
    """Return whether a turn matches the same after a call: what the user said and the agent do not change."""
    return all(matcher.key in ("user", "agent") for matcher in turn.matchers)


def unfinished_replies(
    project: CheckedProject, turn: ScriptTurn, candidates: Mapping[str, AgentTools]
) -> Iterator[ScriptProblem]:
    """Yield a last step that calls tools which do not end the turn: the model runs again and has no step left.

    `candidates` are the agents that may answer, by their keys in agents.yaml.
    """
    steps = [step for response in turn.responses for step in response]
    if not steps or steps[-1].kind != "call" or any(step.kind == "handoff" for step in steps):
        return
    names = list(dict.fromkeys(name for name, _ in steps[-1].value))
    # For an agent without the tool, the call fails.
    able = {key: tools.tools for key, tools in candidates.items() if tools.tools.keys() >= set(names)}
    agents = [project.config.agents[key] for key in able]
    if not able or any(agent.python or agent.tool_use_behavior != "run_llm_again" for agent in agents):
        return
    references = {tools[name] for tools in able.values() for name in names}
    if depends_on_words(turn) and all(goes_on(project, reference) for reference in references):
        message = f"the reply has no step left after the call of {quote(names)[0]}, which does not end the turn"
        yield ScriptProblem(steps[-1].path, message, "add a 'say' behind it, or write 'stop: true' at the tool")


def goes_on(project: CheckedProject, reference: str) -> bool:
    """Return whether the model certainly runs again after a call of the tool."""
    tool = project.config.tools.get(reference)
    if tool is None and ":" in reference:
        tool = PythonTool.model_construct(python=reference, stop=False, needs_approval=False)
    # With the result of the browser's tool, too, the model runs again.
    kinds = AgentTool | ClientTool | EffectTool | PythonTool | WidgetTool
    if not isinstance(tool, kinds) or tool.stop or tool.needs_approval:
        return False
    if not isinstance(tool, PythonTool):
        return True
    symbol = project.find_symbol(tool.python)
    if symbol is None or symbol.module is None or not symbol.module.ours:
        return False
    search = IdentifierSearch.of(project)
    return not any(search.in_python(word) for word in _ENDS_THE_TURN)
