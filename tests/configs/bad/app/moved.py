"""Imports of names that moved between releases of the SDKs, or that no release has."""

from agents import Agent, RunContextWrapper, function_tool
from agents.extensions.handoff import remove_all_tools
from agents.models import openai_responses
from chatkit import types
from chatkit.agents import AgentContext, ThreadItemConverter
from chatkit.types import ClientToolCall, ThreadMetadata, WidgetItem
from chatkit.widgets import Card, Crad


@function_tool
def peek(ctx: RunContextWrapper[AgentContext], place: str) -> str:
    """Look at a place."""
    return place
