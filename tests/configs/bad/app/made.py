"""Classes of which the runtime makes objects."""

from agents import AgentHooks
from chatkit.agents import ThreadItemConverter

from runtime import RuntimeContext


class Cats:
    """All cats."""


class Context(RuntimeContext):
    """A context with fields of its own."""

    cats: Cats
    mood: str = "calm"


class Watch(AgentHooks):
    """Hooks that are made without arguments."""

    def __init__(self, level: int) -> None:
        super().__init__()


class Converter(ThreadItemConverter):
    """A converter that is made with the arguments of `with`."""

    def __init__(self, level: int) -> None:
        super().__init__()
