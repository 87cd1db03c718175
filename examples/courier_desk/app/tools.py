"""What the desk's agents can do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from agents import RunContextWrapper, function_tool
from chatkit.agents import ClientToolCall
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientEffectEvent,
    CustomSummary,
    CustomTask,
    HiddenContextItem,
    ProgressUpdateEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    ThreadItemDoneEvent,
    Workflow,
)
from chatkit.widgets import DynamicWidgetRoot

from app.cards import claim_card, parcel_card, receipt_card, slots_card
from app.context import DeskContext


@function_tool(description_override="List the customer's parcels.")
async def list_parcels(ctx: RunContextWrapper[DeskContext]) -> list[dict[str, Any]]:
    return [
        {"number": parcel.number, "contents": parcel.contents, "status": parcel.status}
        for parcel in ctx.context.parcels.of(ctx.context.customer)
    ]


@function_tool(description_override="Look a parcel up and show its card.")
async def track_parcel(ctx: RunContextWrapper[DeskContext], number: str) -> str:
    await ctx.context.stream(ProgressUpdateEvent(icon="search", text=f"Asking the depot about {number}"))
    parcel = await ctx.context.parcels.ask_depot(number, ctx.context.customer)
    await ctx.context.stream_widget(parcel_card(parcel), copy_text=f"{parcel.number}: {parcel.status}")
    return f"{parcel.number} is {parcel.status}"


@function_tool(description_override="Let the customer choose a delivery slot.")
async def show_slots(ctx: RunContextWrapper[DeskContext], number: str) -> dict[str, str]:
    parcel = ctx.context.parcels.find(number, ctx.context.customer)
    await ctx.context.stream_widget(slots_card(parcel))
    return {"shown": parcel.number}


@function_tool(description_override="Point at a parcel on the customer's map.")
async def point_at_map(ctx: RunContextWrapper[DeskContext], number: str) -> dict[str, str]:
    parcel = ctx.context.parcels.find(number, ctx.context.customer)
    await ctx.context.stream(
        ClientEffectEvent(name="map.focus", data={"number": parcel.number, "street": parcel.street, "zoom": 15})
    )
    return {"focused": parcel.street}


@function_tool(description_override="Note something about the customer for later.")
async def take_note(ctx: RunContextWrapper[DeskContext], note: str) -> str:
    context = ctx.context
    await context.store.add_thread_item(
        context.thread.id,
        HiddenContextItem(
            id=context.store.generate_item_id("message", context.thread, context.request_context),
            thread_id=context.thread.id,
            created_at=datetime.now(),
            content=f"{context.request_context['desk']} desk: {note}",
        ),
        context.request_context,
    )
    await context.stream(context.hidden_note(f"noted for {context.customer}"))
    return "noted"


@function_tool(description_override="Ask the customer's browser where the customer is.")
async def ask_location(ctx: RunContextWrapper[DeskContext], reason: str) -> None:
    ctx.context.client_tool_call = ClientToolCall(name="ask_location", arguments={"reason": reason, "precise": False})


@function_tool(description_override="Work out how a parcel will travel, showing each step.")
async def plan_route(ctx: RunContextWrapper[DeskContext], number: str) -> str:
    context = ctx.context
    await context.start_workflow(Workflow(type="custom", tasks=[]))
    await context.add_workflow_task(CustomTask(title="Find the depot", icon="compass", status_indicator="loading"))
    parcel = await context.parcels.ask_depot(number, context.customer)
    await context.update_workflow_task(
        CustomTask(title="Find the depot", icon="compass", content=parcel.street, status_indicator="complete"), 0
    )
    await context.parcels.ask_depot(number, context.customer)
    await context.add_workflow_task(CustomTask(title="Weigh it", content=f"{parcel.weight_kg} kg"))
    await context.parcels.ask_depot(number, context.customer)
    await context.end_workflow(summary=CustomSummary(title=f"Route of {parcel.number}", icon="maps"))
    return f"{parcel.number} travels from the harbour depot to {parcel.street}"


@function_tool(description_override="Print the customer's receipt, line by line.")
async def print_receipt(ctx: RunContextWrapper[DeskContext]) -> str:
    context = ctx.context
    lines = [f"{parcel.number}: {parcel.weight_kg} kg" for parcel in context.parcels.of(context.customer)]

    async def growing() -> AsyncGenerator[DynamicWidgetRoot, None]:
        for count in range(len(lines) + 1):
            yield receipt_card("\n".join(lines[:count]), streaming=count < len(lines))

    await context.stream_widget(growing(), copy_text="\n".join(lines))
    return f"{len(lines)} lines"


@function_tool(description_override="Ask the customer where a parcel may be left.")
async def ask_where_to_leave(ctx: RunContextWrapper[DeskContext], number: str) -> None:
    context = ctx.context
    question = f"Where shall {number} be left?"
    places = [StructuredInputMultipleChoiceOption(value=place) for place in ("the neighbour", "the shed")]
    await context.stream(
        ThreadItemDoneEvent(
            item=StructuredInputItem(
                id=context.generate_id("message"),
                thread_id=context.thread.id,
                created_at=datetime.now(),
                inputs=[
                    StructuredInputMultipleChoice(id="place", question=question, options=places),
                    StructuredInputFreeform(id="remark", question="Anything else?", description="For the courier"),
                ],
            )
        )
    )


@function_tool(description_override="Close the conversation: say goodbye and name the thread after the parcel.")
async def sign_off(ctx: RunContextWrapper[DeskContext], number: str) -> str:
    context = ctx.context
    parcel = context.parcels.find(number, context.customer)
    context.thread.metadata["signed_off"] = parcel.number
    await context.stream(
        ThreadItemDoneEvent(
            item=AssistantMessageItem(
                id=context.generate_id("message"),
                thread_id=context.thread.id,
                created_at=datetime.now(),
                content=[AssistantMessageContent(text=f"{parcel.number} is in good hands. Goodbye!")],
            )
        )
    )
    return "signed off"


@function_tool(description_override="Open a claim for a damaged parcel and show its card.")
async def open_claim(ctx: RunContextWrapper[DeskContext], number: str, damage: str) -> str:
    claim = ctx.context.parcels.open_claim(number, ctx.context.customer, damage)
    await ctx.context.stream_widget(claim_card(claim, damage, "open"), copy_text=claim)
    return f"claim {claim} is open"


@function_tool(description_override="The price per kilogram between two districts, in cents.")
async def look_up_rate(ctx: RunContextWrapper[DeskContext], district: str) -> int:
    await ctx.context.stream(ProgressUpdateEvent(icon="analytics", text=f"Looking up the rate for {district}"))
    return 125 if ctx.context.request_context["desk"] == "harbour" else 240
