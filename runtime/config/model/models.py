"""The `models` section: which language models there are, and how they are reached."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.types import Duration, ImportPath, PositiveDuration, Secret, Section, ShortFormSection, by_key


class Reasoning(Section):
    """How much a reasoning model thinks, and whether it tells."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """How hard the model thinks before it answers."""
    mode: Literal["standard", "pro"] | None = None
    """How the provider carries the thinking out."""
    summary: Literal["auto", "concise", "detailed"] | None = None
    """Ask for a summary of the thoughts; it is shown as a workflow."""


class PromptCache(Section):
    """How the provider caches the beginning of prompts, for models that can be told."""

    mode: Literal["implicit", "explicit"] | None = None
    """Whether OpenAI sets a breakpoint of its own; `explicit` leaves them to the messages."""
    ttl: Literal["30m", "12h"] | None = None
    """How long an entry lives at least."""


class Backoff(Section):
    """How long is waited before a call is tried again, where the provider does not say."""

    initial: Duration | None = Field(None, examples=["500ms"])
    """Before the first time."""
    max: Duration | None = Field(None, examples=["30s"])
    """At most."""
    multiplier: float | None = Field(None, ge=1, examples=[2])
    """How many times longer before each further time."""
    jitter: bool | None = None
    """Whether the waits vary at random, so that not all callers come back at once."""


class Retry(Section):
    """Calls that are tried again, whatever the provider: after errors that may pass, before anything was said."""

    max: int = Field(ge=1, le=10, examples=[3])
    """How often at most."""
    backoff: Backoff = Field(default_factory=Backoff)
    """How long is waited in between."""


class Settings(Section):
    """Settings of a model call. An agent's settings override its model's, key by key."""

    temperature: float | None = Field(None, ge=0, le=2)
    """Randomness of the answer, 0 to 2."""
    top_p: float | None = Field(None, ge=0, le=1)
    """Nucleus sampling: the share of probability that is considered, 0 to 1."""
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    """Discourages words that were already used often, -2 to 2."""
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    """Discourages words that were already used at all, -2 to 2."""
    tool_choice: str | None = Field(None, examples=["auto", "required", "none", "get_weather"])
    """`auto`, `required`, `none`, or the name of the tool that must be called."""
    parallel_tool_calls: bool | None = None
    """Whether the model may call several tools at once."""
    truncation: Literal["auto", "disabled"] | None = None
    """What the Responses API does with an input that is too long."""
    max_tokens: int | None = Field(None, ge=1)
    """The most tokens that an answer may have."""
    reasoning: Reasoning | None = None
    """Settings of reasoning models."""
    verbosity: Literal["low", "medium", "high"] | None = None
    """How long answers are."""
    metadata: dict[str, str] | None = None
    """Metadata stored with the response at the provider."""
    store: bool | None = None
    """Whether the provider keeps the response."""
    timeout: PositiveDuration | None = Field(None, examples=["60s"])
    """How long one call may take from its start to its end; of any provider."""
    retry: Retry | None = None
    """Whether calls that failed are tried again, on top of a model's own `retries`; of any provider."""
    prompt_cache_options: PromptCache | None = None
    """How the provider caches the prompt's beginning."""
    prompt_cache_retention: Literal["in_memory", "24h"] | None = Field(None, json_schema_extra={"deprecated": True})
    """Deprecated by OpenAI: `prompt_cache_options` takes its place."""
    include_usage: bool | None = None
    """Ask a Chat Completions endpoint for token counts while streaming."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """How many alternatives with their probabilities each token comes with."""
    response_include: list[str] | None = None
    """What else the Responses API sends along, such as `file_search_call.results`."""
    preserve_raw_usage: bool | None = None
    """Whether the provider's own token counts are kept as they came."""
    extra_headers: dict[str, Secret] | None = None
    """More HTTP headers of the call."""
    extra_query: dict[str, str] | None = None
    """More query parameters of the call."""
    extra_body: dict[str, Any] | None = None
    """More fields of the call's body."""
    extra_args: dict[str, Any] | None = None
    """More keyword arguments for the provider's client."""


class _Model(Section):
    fallback: list[str] = []
    """Models that are asked in turn where this one can't be reached, is asked too much, or fails, before it has said
    anything: names of the `models` section, or of OpenAI's."""
    settings: Settings = Field(default_factory=Settings)
    """Settings of every call to this model."""


class OpenAIModel(_Model, ShortFormSection):
    """A model behind the OpenAI API, or any endpoint that is compatible with it."""

    short_key: ClassVar[str] = "name"

    name: str = Field(min_length=1, examples=["gpt-4.1-mini"])
    """The model's name at the provider."""
    api: Literal["responses", "chat_completions"] = "responses"
    """Which of the two OpenAI APIs the endpoint speaks."""
    base_url: str | None = Field(None, pattern=r"^(https?://|\$\{)", examples=["http://127.0.0.1:11434/v1"])
    """The endpoint's address, up to and with `/v1`; the OpenAI API when left out."""
    api_key: Secret | None = None
    """The endpoint's key; the variable OPENAI_API_KEY when left out."""
    organization: str | None = None
    """The OpenAI organization that is billed."""
    project: str | None = None
    """The OpenAI project that is billed."""
    headers: dict[str, Secret] = {}
    """HTTP headers sent with every call."""
    timeout: Duration | None = None
    """How long one call may take."""
    retries: int = Field(2, ge=0, le=10)
    """How often a call that failed before its first token is tried again."""
    offline: str | None = Field(None, min_length=1, examples=["demo/script.yaml"])
    """A script to answer from while there is no API key, so that the project runs without one."""


class AnyLLMModel(_Model):
    """A model of any provider through any-llm (install `chatkit-runtime[any-llm]`)."""

    any_llm: str = Field(min_length=1, examples=["anthropic/claude-sonnet-4-5"])
    """Provider and model, as any-llm names them."""
    base_url: str | None = None
    """The endpoint's address, where it is not the provider's own."""
    api_key: Secret | None = None
    """The provider's key; its usual variable when left out."""


class LiteLLMModel(_Model):
    """A model of any provider through LiteLLM (install `chatkit-runtime[litellm]`)."""

    litellm: str = Field(min_length=1, examples=["anthropic/claude-sonnet-4-5"])
    """Provider and model, as LiteLLM names them."""
    base_url: str | None = None
    """The endpoint's address, where it is not the provider's own."""
    api_key: Secret | None = None
    """The provider's key; its usual variable when left out."""


class ScriptedModel(_Model):
    """An offline, deterministic model that answers from a script."""

    scripted: str = Field(min_length=1, examples=["demo/script.yaml"])
    """The script's file, from the project folder."""


class PythonModel(_Model):
    """A model made by Python: an `agents.Model`, or a function that returns one."""

    python: ImportPath
    """Where the object or function is."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the function."""


Model = Annotated[
    Annotated[OpenAIModel, Tag("name")]
    | Annotated[AnyLLMModel, Tag("any_llm")]
    | Annotated[LiteLLMModel, Tag("litellm")]
    | Annotated[ScriptedModel, Tag("scripted")]
    | Annotated[PythonModel, Tag("python")],
    by_key("any_llm", "litellm", "scripted", "python", "name", short="name"),
]
