"""How a script's reply ends: a turn fails when a tool has answered and there is nothing left to say."""

from __future__ import annotations

from runtime.config.model.tools import AgentTool, ClientTool, EffectTool, FactoryTool, PythonTool, WidgetTool
from runtime.scripts.player import Script, Turn, WrittenStep, plain_name
from runtime.validation.scripts.scripts import Sheet
from runtime.validation.scripts.tools import ScriptTools
from runtime.validation.scripts.turns import Speaker, Speakers, has_context


def check_end(
    sheet: Sheet, script: Script, tools: ScriptTools, speakers: Speakers, turn: Turn, speaking: list[Speaker]
) -> None:
    """Report the end of a reply that certainly leaves the agent without a word."""
    steps = turn.responses[-1]
    if steps[-1].kind == "call":
        names = [name for step in steps if step.kind == "call" for name, _ in step.value]
        goes_on = all(_goes_on(name, script, tools, speaking) for name in names)
        if goes_on and speakers.stay(turn, speaking):
            message = f"the script has nothing left to say after the result of {names[-1]!r}"
            sheet.report(steps[-1].path, message, "end the reply with a 'say', or write 'stop: true' at the tool")
    elif steps[-1].kind == "handoff":
        taking = targets(steps[-1], speaking, tools)
        silent = [speakers.all[key] for key in taking if key in speakers.all]
        goes_on = all(speakers.is_next(turn, speaker) for speaker in silent)
        if taking and len(silent) == len(taking) and goes_on:
            message = f"the script has nothing to say for {silent[0].name!r} after the handoff"
            hint = f"a turn with 'agent: {silent[0].name}' goes before this one"
            sheet.report(steps[-1].path, message, hint)


def _goes_on(name: str, script: Script, tools: ScriptTools, speaking: list[Speaker]) -> bool:
    """Say whether the model certainly speaks again after a tool."""
    having = [speaker for speaker in speaking if name in speaker.tools.names]
    return bool(having) and all(_asks_again(speaker, name, script, tools) for speaker in having)


def _asks_again(speaker: Speaker, name: str, script: Script, tools: ScriptTools) -> bool:
    reference = speaker.tools.references.get(name)
    if reference is None:
        return False
    match tools.declared(reference):
        case WidgetTool() | EffectTool() | AgentTool() as tool:
            return not tool.stop
        case PythonTool() | FactoryTool() | ClientTool() as tool:
            # While the browser has its turn, hidden context may come and ask for another answer.
            return not tool.stop and not has_context(script.turns)
    return False


def targets(step: WrittenStep, speaking: list[Speaker], tools: ScriptTools) -> set[str]:
    """Return the agents that a step may hand over to."""
    wanted = plain_name(step.value)
    found: set[str] = set()
    for speaker in speaking:
        for tool, key in speaker.tools.handoffs.items():
            if wanted in (plain_name(tools.name_of(key)), plain_name(tool)):
                found.add(key)
                break
    return found
