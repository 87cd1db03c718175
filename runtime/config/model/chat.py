"""The `chat` section: the features of ChatKit around the agents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from runtime.config.model.component import (
    PAGE_COMPONENT_PATTERN,
    Composer,
    Disclaimer,
    Header,
    HistoryPanel,
    PageComponent,
    Theme,
)
from runtime.config.model.instructions import Instructions
from runtime.config.model.types import ImportPath, PositiveDuration, Secret, Section, ShortFormSection, Size, by_key

LOCALE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,4})?$"
MIME_PATTERN = r"^[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)$"
FILE_STORE_PATTERN = r"^(\.?\.?/.*|[A-Za-z0-9_.-][A-Za-z0-9_./-]*|s3://[A-Za-z0-9.-]+(/.*)?|\$\{.+)$"


class PromptText(ShortFormSection, short_key="text"):
    """A part of a start prompt: text."""

    text: str = Field(min_length=1)
    """The text."""


class PromptMention(Section):
    """A part of a start prompt: a mention, which the user sees as a tag."""

    tag: str = Field(min_length=1)
    """The entity's id; one of `chat.tags.entities` gives the tag its title and data."""
    text: str | None = Field(None, min_length=1)
    """The text of the tag; the entity's title by default."""
    group: str | None = None
    """The entity's heading; that of the entity by default."""
    data: dict[str, Any] = {}
    """More data of the tag, added to the entity's."""
    interactive: bool | None = None
    """Whether the page shows a preview and allows a click; as the entity by default."""


PromptPart = Annotated[
    Annotated[PromptMention, Tag("tag")] | Annotated[PromptText, Tag("text")], by_key("tag", "text", short="text")
]


def _prompt_kind(value: Any) -> str:
    return "parts" if isinstance(value, list) else "message"


Prompt = Annotated[
    Annotated[str, Field(min_length=1), Tag("message")]
    | Annotated[list[PromptPart], Field(min_length=1), Tag("parts")],
    Discriminator(_prompt_kind),
]


class StartPrompt(Section):
    """A suggestion on the empty chat."""

    label: str = Field(min_length=1)
    """The button's label."""
    prompt: Prompt
    """The message that is sent: a text, or a list of texts and mentions, `{tag: …}`."""
    icon: str | None = None
    """An icon of ChatKit, such as `sparkle`, or of Lucide, such as `lucide:cloud-rain`."""


class ModelSummary(ShortFormSection, short_key="model"):
    """A summary by a model; a string is short for the model's name."""

    model: str = Field(min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    instructions: Instructions | None = None
    """The instructions for the model, as an agent's; a built-in text by default."""


class PythonSummary(Section):
    """A summary by Python: a function `(context, earlier_summary, items_as_text)`, sync or async."""

    python: ImportPath
    """The import path of the function; it returns the new summary, and `earlier_summary` is empty at first."""


Summary = Annotated[
    Annotated[ModelSummary, Tag("model")] | Annotated[PythonSummary, Tag("python")],
    by_key("model", "python", short="model"),
]


class History(Section):
    """How much of a thread the model sees; the oldest turns are left out first."""

    items: int = Field(200, ge=1, le=5000)
    """The most items of the thread."""
    tokens: int = Field(60_000, ge=500)
    """The most tokens, estimated."""
    tool_results: bool = True
    """Whether the model sees the tool calls of earlier turns and their results."""
    summary: Summary | None = None
    """Summarizes the turns that are left out: a model's name, `{model: …}` or `{python: …}`; no summary by default."""


class ModelTitle(Section):
    """A thread's title by a model, after the first message."""

    model: str
    """A name of the `models` section, or a model's name at OpenAI."""
    instructions: Instructions | None = None
    """The instructions for the model, as an agent's; a built-in text by default."""


class PythonTitle(Section):
    """A thread's title by Python: a function of the first message's text, sync or async."""

    python: ImportPath
    """The import path of the function."""


class NoTitle(ShortFormSection, short_key="off"):
    """No automatic title."""

    off: Literal["off"] = "off"
    """Written `title: off`."""


Title = Annotated[
    Annotated[ModelTitle, Tag("model")] | Annotated[PythonTitle, Tag("python")] | Annotated[NoTitle, Tag("off")],
    by_key("model", "python", "off", short="off"),
]


class Dictation(Section):
    """Turns speech into text."""

    model: str | None = Field(None, min_length=1)
    """A name of the `models` section, or a model's name at OpenAI, such as `gpt-transcribe`."""
    python: ImportPath | None = None
    """A function `(audio, context)`, sync or async, that returns the text. `audio` has `data` and `media_type`."""


class FeedbackFunction(Section):
    """Users rate answers, and a function is told of it."""

    python: ImportPath
    """A function `(thread_id, item_ids, kind, context)`, sync or async, which is called after a rating is stored;
    `kind` is `positive` or `negative`."""


class Errors(Section):
    """Messages to the user when an answer fails; templates, in which `reference` is the request's id in the log."""

    model: str | None = Field(None, min_length=1)
    """The model can't be reached, fails, or is rate-limited."""
    timeout: str | None = Field(None, min_length=1)
    """The model took too long."""
    refused: str | None = Field(None, min_length=1)
    """The provider rejected the request, for example for a setting, or the key, the model or the address is wrong."""
    cut_off: str | None = Field(None, min_length=1)
    """The answer reached the most tokens that the model may write (`max_tokens`); what it has said stays."""
    filtered: str | None = Field(None, min_length=1)
    """The provider's content filter stopped the answer, or rejected the message."""
    too_long: str | None = Field(None, min_length=1)
    """The conversation is too long for the model, also after its older half was left out."""
    quota: str | None = Field(None, min_length=1)
    """The account at the provider has no quota or credit left."""
    max_turns: str | None = Field(None, min_length=1)
    """The agents needed more steps than `max_turns` allows."""
    turn: str | None = Field(None, min_length=1)
    """The answer took longer than `limits.turn`."""
    tokens: str | None = Field(None, min_length=1)
    """A budget of `limits.tokens` is used up; `budget` is `turn`, `thread`, `day` or `all`."""
    cost: str | None = Field(None, min_length=1)
    """A budget of `limits.cost` is used up; `budget` is `turn`, `thread`, `day` or `all`."""
    interrupted: str | None = Field(None, min_length=1)
    """The card below an answer whose process was killed; `reference` is that of the request that finds it."""
    try_again: str | None = Field(None, min_length=1)
    """The label of that card's button."""
    unexpected: str | None = Field(None, min_length=1)
    """Anything else."""


class Attachments(Section):
    """What users may attach to a message."""

    accept: list[Annotated[str, Field(pattern=MIME_PATTERN)]] = Field(
        ["image/*", "application/pdf", "text/*"], min_length=1
    )
    """The MIME types that are accepted; `image/*` for all of a kind."""
    max_size: Size = 20 * 1024 * 1024
    """The largest file."""
    max_count: int = Field(10, ge=1, le=100)
    """The most files of one message."""
    store: str = Field("./.chatkit/files", pattern=FILE_STORE_PATTERN, min_length=1)
    """A folder, relative to the project folder, or `s3://bucket/prefix` (pip install 'chatkit-runtime[s3]')."""
    options: dict[str, str] = {}
    """For S3: `endpoint`, `region`, `access_key_id` and the other options of obstore's S3Store; by default those of
    the environment."""
    upload: Literal["two_phase", "direct"] = "two_phase"
    """How the page uploads: to a signed URL per file, or with a form to `/chatkit/files`."""
    secret: Secret | None = None
    """The key that signs the URLs; by default it is generated once and stored beside the files."""
    keep_unsent: PositiveDuration = 86400.0
    """How long a file is kept that no message contains."""
    max_unsent: int = Field(50, ge=1, le=10_000, examples=[20])
    """The most files of one user that no message contains."""
    quota: Size | None = Field(None, examples=["1GiB"])
    """The most bytes of all files of one user; no limit by default."""


class MentionEntity(Section):
    """Something that can be mentioned: a person, a document, an order."""

    id: str = Field(min_length=1)
    """Its unique id."""
    title: str = Field(min_length=1)
    """Its name for users."""
    group: str | None = None
    """Its heading in the menu."""
    icon: str | None = None
    """An icon of ChatKit, such as `map-pin`, or of Lucide, such as `lucide:train`."""
    data: dict[str, Any] = {}
    """More data, for `text` and `preview`; its texts are sent to the page as well."""
    interactive: bool = True
    """Whether the page shows a preview of it and allows a click on it."""


class MentionConfig(ShortFormSection, short_key="python", short_needed=False):
    """What users may mention with `@`: a list of entities, or Python functions."""

    python: ImportPath | None = None
    """A function `(tag, context)`, sync or async, that returns the text of a mention for the model. `context` is the
    result of the function in `context:`."""
    entities: list[MentionEntity] = []
    """What can be mentioned, as a list."""
    search: ImportPath | None = None
    """A function `(query, context)`, sync or async, that returns the entities that match what the user has typed:
    mappings with `id` and `title`, and optionally `group`, `icon` and `data`."""
    lookup: ImportPath | None = None
    """A function `(id, context)`, sync or async, that returns the entity with that id, as in `search`, or None."""
    text: str | None = Field(None, min_length=1)
    """The text of a mention for the model, if there is no function for it; a template over the entity."""
    preview: str | None = Field(None, min_length=1)
    """The widget that previews an entity: a name, or a file. Its data is the entity's."""
    menu: bool = False
    """Whether the composer also has a button for mentions."""


class Chat(Section):
    """The features of ChatKit around the agents."""

    greeting: str | None = None
    """The headline of an empty chat."""
    start_prompts: list[StartPrompt] = []
    """Suggestions on the empty chat."""
    composer: Composer = Field(default_factory=Composer)
    """The input field and its menus."""
    header: Header = Field(default_factory=Header)
    """The bar above the thread."""
    history_panel: HistoryPanel = Field(default_factory=HistoryPanel)
    """The list of the user's threads."""
    theme: Theme | None = None
    """How the chat looks: `light`, `dark`, or more."""
    disclaimer: Disclaimer | None = None
    """A line below the composer."""
    locale: str | None = Field(None, pattern=LOCALE_PATTERN)
    """The language of the component, such as `nb-NO`; the browser's by default."""
    domain_key: str = Field("domain_pk_localhost_dev", min_length=1)
    """The key with which OpenAI allows the page's domain the component; any works on localhost. It is not secret."""
    frame_title: str | None = Field(None, min_length=1)
    """The name of the chat for screen readers."""
    feedback: bool | FeedbackFunction = False
    """Whether an answer can be rated, thumbs up or down; `{python: …}` is told of each rating as well."""
    retry: bool = True
    """Whether the page offers to retry an answer; the server accepts such a request in any case."""
    auto_scroll: bool = False
    """Whether the thread scrolls with an answer while it is written."""
    attachments: Attachments | None = None
    """What users may attach to a message; nothing by default."""
    dictation: Dictation | None = None
    """Turns speech into text; no dictation by default."""
    tags: MentionConfig | None = None
    """What users may mention with `@`: a list of entities, or Python functions."""
    components: dict[Annotated[str, Field(pattern=PAGE_COMPONENT_PATTERN)], PageComponent] = Field(
        {}, examples=[{"acme-map": "/map.html"}]
    )
    """Components of widgets of your own, by their types, which have a hyphen. The server's own client shows them."""
    errors: Errors = Field(default_factory=Errors)
    """Messages to the user when an answer fails or is interrupted, in place of the built-in ones."""
    history: History = Field(default_factory=History)
    """How much of a thread the model sees."""
    title: Title = Field(default_factory=NoTitle)
    """Where a thread's title comes from: `{model: …}`, `{python: …}` or `off`. A user's rename always wins."""
    allow_cancel: bool = True
    """Whether a user may stop an answer."""
    on_disconnect: Literal["cancel", "finish"] | None = None
    """What happens to a turn when its client disconnects; `cancel` if allow_cancel is true, else `finish`."""
    when_busy: Literal["wait", "reject"] = "wait"
    """What happens to a message while a turn of the same thread runs: it waits, or it gets a 409."""

    def model_post_init(self, context: Any, /) -> None:
        """Derive `on_disconnect` from `allow_cancel` if it is not set."""
        if self.on_disconnect is None:
            object.__setattr__(self, "on_disconnect", "cancel" if self.allow_cancel else "finish")
