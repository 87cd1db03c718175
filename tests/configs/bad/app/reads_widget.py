"""A tool that shows a widget."""

from agents import RunContextWrapper

from runtime import RuntimeContext


async def show(ctx: RunContextWrapper[RuntimeContext], city: str) -> str:
    """Show the weather."""
    context = ctx.context
    await context.show_widget("conditions", {"city": city})
    return str(getattr(context, "maybe", "")) + (context.later if hasattr(context, "later") else "")
