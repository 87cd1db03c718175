"""Many agents: a tree of handoffs in which every agent is reached from the first one."""

from __future__ import annotations

from collections.abc import Mapping

INSTRUCTIONS = "Answer in one paragraph."
TOOLS = {"show_card": "cards:show_card"}
ASKING = {"archive": '{python: "cards:archive", needs_approval: true}'}
"""A tool that waits for the user's word."""

_BRANCHES = 10


def heirs(number: int, agents: int) -> range:
    """Whom the agent `number`, from 0, hands over to, when there are `agents` of them."""
    first = number * _BRANCHES + 1
    return range(first, min(first + _BRANCHES, agents))


def instructions_of(number: int) -> str:
    """The instructions of an agent that is not the first."""
    return f"You know all about subject {number}. Answer in one paragraph, and say so when you are not sure."


def agents_yaml(agents: int, instructions: str = INSTRUCTIONS, asking: Mapping[str, str] | None = None) -> str:
    """Declare the agents; the first one has the given instructions, and the tools of `asking` too."""
    tools = TOOLS | dict(asking or {})
    lines = ["version: 1", "entry: assistant", 'models: {zero: {python: "zero:build"}}', "tools:"]
    lines += [f"  {name}: {tool}" for name, tool in tools.items()]
    lines += ["agents:", *_agent("assistant", "Assistant", instructions, tools, heirs(0, agents))]
    for number in range(1, agents):
        handoffs = heirs(number, agents)
        lines += _agent(f"agent_{number}", f"Agent {number}", instructions_of(number), TOOLS, handoffs)
    return "\n".join(lines) + "\n"


def _agent(key: str, name: str, instructions: str, tools: Mapping[str, str], handoffs: range) -> list[str]:
    return [
        f"  {key}:",
        f"    name: {name}",
        "    model: zero",
        f"    instructions: {instructions}",
        f"    tools: [{', '.join(tools)}]",
        f"    handoffs: [{', '.join(f'agent_{number}' for number in handoffs)}]",
    ]
