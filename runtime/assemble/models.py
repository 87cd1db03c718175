"""The `models` section -> the SDK's models and clients, and how they are run."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import agents
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from agents.models.default_models import get_default_model_settings
from agents.models.interface import Model
from agents.retry import ModelRetryBackoffSettings, ModelRetrySettings, RetryPolicyContext, retry_policies
from agents.run_config import ToolExecutionConfig
from openai import AsyncOpenAI
from openai.types.shared import Reasoning

from runtime.assemble.contained_objects import ContainedModel
from runtime.assemble.fallback_models import FallbackModel
from runtime.assemble.functions import refuse_coroutine
from runtime.assemble.http_traces import traced_client
from runtime.assemble.instructions import Instructions
from runtime.assemble.model_failures import ModelFailure, failure_kind
from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.assemble.provider_models import ChatCompletionsModel, ResponsesModel, adopt, endpoint_of, library_model
from runtime.assemble.scripted_model import ScriptedConversation, ScriptError
from runtime.assemble.think_tags import visible_text
from runtime.assemble.token_meter import METERED, name_of
from runtime.assemble.tool_failures import format_tool_error
from runtime.assemble.whole_answers import events_of
from runtime.config.known_models import Prices
from runtime.config.model import Config
from runtime.config.model import models as declared
from runtime.config.model_facts import is_openais_model, model_prices
from runtime.config.project_files import ProjectFiles
from runtime.config.references import model_references
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Close, Share
from runtime.sdk_internals import read_odd_streams

logger = logging.getLogger("runtime.models")
_TEMPORARY = retry_policies.any(
    retry_policies.provider_suggested(),
    retry_policies.network_error(),
    retry_policies.http_status([408, 409, 429, 500, 502, 503, 504]),
)


def _retryable(context: RetryPolicyContext) -> Any:
    # No money left has the status of too many requests, and lasts.
    return False if failure_kind(context.error) == "quota" else _TEMPORARY(context)


Ask = Callable[[Any, str], Awaitable[str]]
"""Takes the turn's context, for the instructions, and a text; returns the model's answer."""


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """A model and its default settings; `client` is that of its endpoint, if the endpoint has OpenAI's API."""

    model: Model
    settings: ModelSettings
    client: AsyncOpenAI | None = None

    def for_agent(self, name: str) -> Model:
        """Return the model for one agent: a script may have replies for that agent only."""
        if isinstance(self.model, ScriptedConversation | FallbackModel):
            return self.model.for_agent(name)
        return self.model

    def asker(self, name: str, instructions: Instructions) -> Ask:
        """Return a function that asks the model, whose tokens count for the turn that calls it."""
        agent: Agent[Any] = Agent(name=name, instructions=instructions, model=self.model, model_settings=self.settings)

        async def ask(context: Any, text: str) -> str:
            try:
                result = await Runner.run(agent, text, context=context, hooks=METERED, run_config=run_config())
            except ModelFailure as failure:
                if failure.kind == "cut_off" and (said := visible_text(failure.text).strip()):
                    return said
                raise
            return str(result.final_output)

        return ask


@dataclass(slots=True)
class Models:
    """The models by name: declared ones, and OpenAI's models that agents name directly."""

    files: ProjectFiles
    code: ProjectCode
    environ: Mapping[str, str]
    share: Share
    entries: Mapping[str, declared.Model]
    offline: bool = False
    """Whether a model without a key answers from its `offline` script."""
    prices: dict[str, Prices] = field(default_factory=dict)
    """What the models cost that have a price, by their names at the provider."""
    _built: dict[str, BuiltModel] = field(default_factory=dict)
    _bases: dict[str, BuiltModel] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def get(self, name: str) -> BuiltModel:
        """Return the model of that name; an undeclared name is one of OpenAI's models.

        Raise BuildError, or what the project's code raises; from the second time on, AlreadyReported.
        """
        if name in self._failed:
            raise AlreadyReported
        if name not in self._built:
            self._failed.add(name)
            if name == "default" and name not in self.entries:
                raise BuildError(
                    "no model is named 'default'", "add `models: {default: …}`, or `model: …` to each agent"
                )
            self._built[name] = self._with_fallback(name)
            self._failed.remove(name)
        return self._built[name]

    @property
    def built(self) -> Mapping[str, BuiltModel]:
        """The models in use, by name."""
        return self._built

    def _with_fallback(self, name: str) -> BuiltModel:
        built = self._base(name)
        others = [other for other in self._entry(name).fallback if other != name]
        if not others:
            return built
        bases = [(key, self._base(key)) for key in (name, *others)]
        return replace(built, model=FallbackModel([(key, base.model, base.settings) for key, base in bases]))

    def _entry(self, name: str) -> declared.Model:
        return self.entries.get(name) or declared.OpenAIModel(name=name)

    def _base(self, name: str) -> BuiltModel:
        if name not in self._bases:
            entry = self._entry(name)
            built = self._bases[name] = self._build(entry)
            prices = model_prices(entry, self.environ)
            if prices is not None:
                known = self.prices.get(name_of(built.model), prices)
                # Two endpoints of one name are counted together: a budget must not be too large.
                self.prices[name_of(built.model)] = max(known, prices, key=lambda each: each.output)
        return self._bases[name]

    def _build(self, entry: declared.Model) -> BuiltModel:
        client: AsyncOpenAI | None = None
        match entry:
            case declared.OpenAIModel():
                model, client = self._openai(entry)
            case declared.AnyLLMModel() | declared.LiteLLMModel():
                model = self._shared(lambda: _by_library(entry), entry, close=_close_model)
            case declared.ScriptedModel():
                model = _scripted(self.files, entry.scripted)
            case declared.PythonModel():
                value = self.code.resolve(entry.python)
                # An object that a module holds belongs to the module, so it is not closed here.
                close = None if isinstance(value, Model) else _close_model
                model = self._shared(lambda: _python(value, entry), entry, self.code, close=close)
        settings = self._settings_of(entry)
        if settings.include_usage is None and _counts_on_request(entry):
            settings = replace(settings, include_usage=True)
        return BuiltModel(model, settings, client)

    def _settings_of(self, entry: declared.Model) -> ModelSettings:
        """Return the settings of a model: over those that the SDK's `Agent(model=NAME)` has for some of OpenAI's."""
        settings = build_settings(entry.settings)
        if not isinstance(entry, declared.OpenAIModel):
            return settings
        is_at_openai = is_openais_model(entry, self.environ)
        return get_default_model_settings(entry.name).resolve(settings) if is_at_openai else settings

    def _openai(self, entry: declared.OpenAIModel) -> tuple[Model, AsyncOpenAI | None]:
        key = entry.api_key or self.environ.get("OPENAI_API_KEY")
        if not key and entry.offline and not self.offline:
            raise BuildError(
                f"model {entry.name!r} has no API key, and its offline script is for development",
                "set OPENAI_API_KEY in the environment or in .env; `serve --offline` and "
                "`create_app(…, offline=True)` answer from the script",
            )
        if not key and entry.offline:
            return _scripted(self.files, entry.offline), None
        if not key:
            raise BuildError(
                f"model {entry.name!r} needs an API key",
                "set OPENAI_API_KEY in the environment or in .env, or `api_key:` on the model; `api_key: none` "
                "where the endpoint wants none, `offline: script.yaml` to answer from a script meanwhile",
            )
        client = self._client(entry, key)
        model: Model
        if entry.api == "chat_completions":
            # What comes from another endpoint is left out of the input before.
            model = ChatCompletionsModel(entry.name, client, should_replay_reasoning_content=lambda thoughts: True)
        else:
            model = ResponsesModel(entry.name, client)
        model.endpoint = endpoint_of(client, entry.name)
        return model, client

    def _client(self, entry: declared.OpenAIModel, key: str) -> AsyncOpenAI:
        base_url = entry.base_url or self.environ.get("OPENAI_BASE_URL") or None
        headers = tuple(sorted(entry.headers.items()))
        identity = (base_url, key, entry.organization, entry.project, headers, entry.timeout, entry.retries)
        options: dict[str, Any] = {} if entry.timeout is None else {"timeout": entry.timeout}

        def make() -> AsyncOpenAI:
            client = AsyncOpenAI(
                api_key=key,
                base_url=base_url,
                organization=entry.organization,
                project=entry.project,
                default_headers=dict(headers),
                max_retries=entry.retries,
                http_client=traced_client(),
                **options,
            )
            read_odd_streams(client, events_of)
            return client

        return self.share.get(("client", *identity), make, AsyncOpenAI.close)

    def _shared(
        self, make: Callable[[], Model], entry: declared.Model, *more: object, close: Close | None = None
    ) -> Model:
        """Make a model, or share the one that the previous generation made from the same declaration."""
        return self.share.get(("model", entry.model_dump_json(by_alias=True), *more), make, close)


def build_models(
    config: Config,
    files: ProjectFiles,
    code: ProjectCode,
    environ: Mapping[str, str],
    share: Share,
    problems: Problems,
    offline: bool,
) -> Models:
    """Build the models in use; failures are recorded in `problems`. An unused model needs no key.

    With `offline`, a model without a key may answer from its script.
    """
    models = Models(files, code, environ, share, config.models, offline)
    first_references: dict[str, KeyPath] = {}
    for name, path in model_references(config):
        first_references.setdefault(name, path)
    for name, reference in first_references.items():
        path = ("models", name) if name in config.models else reference
        with problems.record("A601", *path):
            models.get(name)
    return models


def build_settings(settings: declared.Settings) -> ModelSettings:
    """Convert declared settings to the SDK's; omitted ones stay unset."""
    values = settings.model_dump(exclude_none=True)
    if "reasoning" in values:
        values["reasoning"] = Reasoning(**values["reasoning"])
    if settings.retry is not None:
        values["retry"] = _retry(settings.retry)
    return ModelSettings(**values)


def _retry(declared_retry: declared.Retry) -> ModelRetrySettings:
    backoff = declared_retry.backoff
    return ModelRetrySettings(
        max_retries=declared_retry.max,
        backoff=ModelRetryBackoffSettings(
            initial_delay=backoff.initial, max_delay=backoff.max, multiplier=backoff.multiplier, jitter=backoff.jitter
        ),
        policy=_retryable,
    )


def _by_library(entry: declared.AnyLLMModel | declared.LiteLLMModel) -> Model:
    if isinstance(entry, declared.AnyLLMModel):
        library, module, kind, name = "any-llm", "any_llm_model", "AnyLLMModel", entry.any_llm
    else:
        library, module, kind, name = "litellm", "litellm_model", "LitellmModel", entry.litellm
    try:
        make = getattr(import_module(f"agents.extensions.models.{module}"), kind)
    except ImportError as error:
        hint = f"pip install 'chatkit-runtime[{library}]'"
        raise BuildError(f"{library} is not installed: {error}", hint) from error
    made = library_model(make)(model=name, base_url=entry.base_url, api_key=entry.api_key)
    if library == "litellm":
        made.should_replay_reasoning_content = lambda thoughts: True
    made.endpoint = f"{entry.base_url or library} {name}"
    model: Model = made
    return model


def _counts_on_request(entry: declared.Model) -> bool:
    """Return whether the endpoint counts the tokens of a stream only if it is asked to."""
    is_chat = isinstance(entry, declared.OpenAIModel) and entry.api == "chat_completions"
    return is_chat or isinstance(entry, declared.LiteLLMModel)


def _scripted(files: ProjectFiles, name: str) -> ScriptedConversation:
    text = files.read(name)
    if isinstance(text, Diagnostic):
        raise BuildError(text.message, text.hint)
    try:
        return ScriptedConversation.from_text(text, name)
    except ScriptError as error:
        where = f"{name}, {path_text(error.path)}" if error.path else name
        raise BuildError(f"the script can't be played: {where}: {error.message}", error.hint) from error


async def _close_model(model: Model) -> None:
    await model.close()


def _python(value: Any, entry: declared.PythonModel) -> Model:
    if not isinstance(value, Model) and callable(value):
        value = value(**entry.with_)
    refuse_coroutine(value, entry.python)
    if not isinstance(value, Model):
        raise BuildError(f"{entry.python!r} returned {type(value).__name__}, not an agents.Model", code="A324")
    # The SDK's own classes stay visible: what a model can do depends on them.
    if type(value) in (OpenAIResponsesModel, OpenAIChatCompletionsModel):
        return adopt(value, entry.python)
    return value if isinstance(value, OpenAIResponsesModel | OpenAIChatCompletionsModel) else ContainedModel(value)


def run_config(parallel_tools: int | None = None) -> agents.RunConfig:
    """Return the settings of every run: no tracing, and tool errors are logged.

    Input guardrails of tools run before approval, so that the user is not asked about a refused call.
    """
    execution = ToolExecutionConfig(
        max_function_tool_concurrency=parallel_tools, pre_approval_tool_input_guardrails=True
    )
    return agents.RunConfig(
        tracing_disabled=True,
        tool_error_formatter=format_tool_error,
        tool_execution=execution,
        tool_not_found_behavior="return_error_to_model",
    )
