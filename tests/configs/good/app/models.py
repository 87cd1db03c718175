"""A model made by Python."""

from agents import Model, OpenAIResponsesModel
from openai import AsyncOpenAI


def build(size: int) -> Model:
    """Make a model of a size."""
    return OpenAIResponsesModel(f"gpt-{size}", AsyncOpenAI(api_key="none"))
