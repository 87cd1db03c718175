"""The `chat` section: what ChatKit itself offers around the agents."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.types import Entry, ImportPath, Section, by_key


class StartPrompt(Section):
    """A suggestion on the empty chat."""

    label: str = Field(min_length=1)
    """What the button says."""
    prompt: str = Field(min_length=1)
    """What is sent."""
    icon: str | None = None
    """An icon of ChatKit, such as `sparkle`."""


class History(Section):
    """How much of a thread the model sees; whole turns fall out first."""

    items: int = Field(200, ge=1, le=5000)
    """The most items of the thread."""
    tokens: int = Field(60_000, ge=500)
    """The most tokens, estimated."""
    tool_results: bool = True
    """Whether calls of earlier turns and their results stay in view."""


class ModelTitle(Section):
    """A thread's title from a model, after the first message."""

    model: str
    """A name of the `models` section, or a model's name at OpenAI."""
    instructions: str = (
        "Write a title of at most five words for a conversation that begins with the user's message. "
        "Answer with the title alone, without quotes."
    )
    """What the model is told."""


class PythonTitle(Section):
    """A thread's title from Python: a function of the first message's text, sync or async."""

    python: ImportPath
    """Where the function is."""


class NoTitle(Entry):
    """No automatic title."""

    short_key: ClassVar[str] = "off"
    short_pattern: ClassVar[str | None] = "^off$"

    off: Literal["off"] = "off"
    """Written `title: off`."""


Title = Annotated[
    Annotated[ModelTitle, Tag("model")] | Annotated[PythonTitle, Tag("python")] | Annotated[NoTitle, Tag("off")],
    by_key("model", "python", "off", short="off"),
]


class Chat(Section):
    """What ChatKit itself offers."""

    greeting: str | None = None
    """The headline of an empty chat."""
    start_prompts: list[StartPrompt] = []
    """Suggestions on the empty chat."""
    history: History = Field(default_factory=History)
    """How much of a thread the model sees."""
    title: Title = Field(default_factory=NoTitle)
    """Where a thread's title comes from: `{model: …}`, `{python: …}` or `off`. A user's rename always wins."""
    allow_cancel: bool = True
    """Whether a user may stop an answer."""
    on_disconnect: Literal["cancel", "finish"] | None = None
    """What happens to a turn when its client goes away; `cancel` where allow_cancel is true, else `finish`."""
    when_busy: Literal["wait", "reject"] = "wait"
    """What happens to a second message while a turn of the same thread runs: it waits its turn, or gets a 409."""

    def model_post_init(self, context: Any, /) -> None:
        """Let `on_disconnect` follow `allow_cancel` where it was left out."""
        if self.on_disconnect is None:
            object.__setattr__(self, "on_disconnect", "cancel" if self.allow_cancel else "finish")
