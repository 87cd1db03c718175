"""Tools that read what the context does not have."""

from typing import Any

from agents import RunContextWrapper, function_tool


class Trip:
    """What a tool of another runner has as its context."""

    bags = 0


@function_tool
async def pack(ctx: RunContextWrapper[Any], thing: str) -> str:
    """Pack a thing."""
    ctx.context.packing.append(thing)
    return "Packed."


async def mark(ctx: RunContextWrapper[Trip], city: str) -> str:
    """Mark a city."""
    ctx.context.marked = city
    return f"{ctx.context.marked} {ctx.context.usr}"


def for_another_runner(ctx: RunContextWrapper[Trip]) -> int:
    """Nothing of this project calls it."""
    return ctx.context.bags
