"""The `models` section: language models and how to reach them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import Duration, ImportPath, PositiveDuration, Secret, Section, ShortFormSection, by_key


class Reasoning(Section):
    """How much a reasoning model thinks, and whether it shows its thoughts."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """How hard the model thinks before it answers."""
    mode: Literal["standard", "pro"] | None = None
    """How the provider runs the reasoning."""
    summary: Literal["auto", "concise", "detailed"] | None = None
    """Ask for a summary of the thoughts; it is shown as a workflow."""


class PromptCache(Section):
    """How the provider caches the beginning of prompts, for models with this option."""

    mode: Literal["implicit", "explicit"] | None = None
    """Whether OpenAI sets a breakpoint by itself; with `explicit`, only the messages set breakpoints."""
    ttl: Literal["30m", "12h"] | None = None
    """The minimum lifetime of an entry."""


class Backoff(Section):
    """How long to wait before a call is tried again, unless the provider says so."""

    initial: Duration | None = Field(None, examples=["500ms"])
    """The first wait."""
    max: Duration | None = Field(None, examples=["30s"])
    """The longest wait."""
    multiplier: float | None = Field(None, ge=1, examples=[2])
    """The factor by which each further wait is longer."""
    jitter: bool | None = None
    """Whether the waits vary at random, so that not all callers return at once."""


class Retry(Section):
    """Retries of calls to any provider: after temporary errors, before any output."""

    max: int = Field(ge=1, le=10, examples=[3])
    """The most retries."""
    backoff: Backoff = Field(default_factory=Backoff)
    """How long to wait in between."""


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
    """How the Responses API handles an input that is too long."""
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
    """How long one call may take in total, for any provider."""
    retry: Retry | None = None
    """Whether failed calls are tried again, in addition to a model's own `retries`; for any provider."""
    prompt_cache_options: PromptCache | None = None
    """How the provider caches the beginning of prompts."""
    prompt_cache_retention: Literal["in_memory", "24h"] | None = Field(None, json_schema_extra={"deprecated": True})
    """Deprecated by OpenAI: `prompt_cache_options` replaces it."""
    include_usage: bool | None = None
    """Ask a Chat Completions endpoint for token counts while streaming."""
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """How many alternatives with their probabilities each token comes with."""
    response_include: list[str] | None = None
    """Additional data of the Responses API, such as `file_search_call.results`."""
    preserve_raw_usage: bool | None = None
    """Whether the provider's own token counts are kept unchanged."""
    extra_headers: dict[str, Secret] | None = None
    """More HTTP headers of the call."""
    extra_query: dict[str, str] | None = None
    """More query parameters of the call."""
    extra_body: dict[str, Any] | None = None
    """More fields of the call's body."""
    extra_args: dict[str, Any] | None = None
    """More keyword arguments for the provider's client."""


class Price(Section):
    """What a model's tokens cost, in US dollars for a million of them."""

    input: float = Field(ge=0, examples=[0.1])
    """Tokens of the input."""
    cached: float | None = Field(None, ge=0, examples=[0.01])
    """Tokens of the input that the provider has cached; the price of `input` by default."""
    output: float = Field(ge=0, examples=[0.5])
    """Tokens of the output, thoughts included."""


class _Model(Section):
    fallback: list[str] = []
    """Models that are used in turn if this one can't be reached, is rate-limited, or fails before any output: names of
    the `models` section, or of OpenAI models."""
    settings: Settings = Field(default_factory=Settings)
    """Settings of every call to this model."""
    price: Price | None = None
    """What its tokens cost; for models at OpenAI, the list price that this release knows by default."""


class OpenAIModel(_Model, ShortFormSection, short_key="name"):
    """A model of the OpenAI API, or of any compatible endpoint."""

    name: str = Field(min_length=1, examples=["gpt-6-luna"])
    """The model's name at the provider."""
    api: Literal["responses", "chat_completions"] = "responses"
    """Which of the two OpenAI APIs the endpoint speaks."""
    base_url: str | None = Field(None, pattern=r"^(https?://|\$\{)", examples=["http://127.0.0.1:11434/v1"])
    """The endpoint's URL, including `/v1`; the OpenAI API by default."""
    api_key: Secret | None = None
    """The endpoint's key; the variable OPENAI_API_KEY by default."""
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
    """A script that replaces the model while there is no API key, so that the project runs without one."""


class AnyLLMModel(_Model):
    """A model of any provider through any-llm (install `chatkit-runtime[any-llm]`)."""

    any_llm: str = Field(min_length=1, examples=["anthropic/claude-sonnet-5-5"])
    """Provider and model, as any-llm names them."""
    base_url: str | None = None
    """The endpoint's URL, if it is not the provider's own."""
    api_key: Secret | None = None
    """The provider's key; its usual variable by default."""


class LiteLLMModel(_Model):
    """A model of any provider through LiteLLM (install `chatkit-runtime[litellm]`)."""

    litellm: str = Field(min_length=1, examples=["anthropic/claude-sonnet-5-5"])
    """Provider and model, as LiteLLM names them."""
    base_url: str | None = None
    """The endpoint's URL, if it is not the provider's own."""
    api_key: Secret | None = None
    """The provider's key; its usual variable by default."""


class ScriptedModel(_Model):
    """An offline, deterministic model that answers from a script."""

    scripted: str = Field(min_length=1, examples=["demo/script.yaml"])
    """The script's file, relative to the project folder."""


class PythonModel(_Model):
    """A model that Python creates: an `agents.Model`, or a function that returns one."""

    python: ImportPath
    """The import path of the object or function."""
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
