"""How thread items become the model's input."""

from chatkit.agents import ThreadItemConverter


class Converter(ThreadItemConverter):
    """As ChatKit does it."""
