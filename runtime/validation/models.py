"""Checks of the models that agents use: a known name, an API key, an installed package; what an agent can call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec

from runtime.config.known_models import known_model, known_names
from runtime.config.model.agents import Agent
from runtime.config.model.models import AnyLLMModel, LiteLLMModel, Model, OpenAIModel, ScriptedModel
from runtime.config.model_facts import is_openais_model, model_prices
from runtime.config.openapi_documents import operation_names
from runtime.config.references import ALL, model_references, split_reference, transfer_name
from runtime.config.tool_names import legal_tool_name
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.tools import own_name

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest|preview)$")
_LIKE_A_MODEL = 0.75
_LIKE_A_DECLARED_ONE = 0.8
_WAYS_OUT = (
    "set OPENAI_API_KEY, in .env for one; or write 'api_key: none' where the endpoint wants none, "
    "or 'offline: FILE' to answer from a script"
)


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model that an agent uses: its `name` there, and the `path` of its declaration, or of the name."""

    name: str
    model: Model
    path: KeyPath
    is_declared: bool


def used_models(project: CheckedProject) -> Iterator[UsedModel]:
    """Yield every model that is built for the project, each once; an undeclared name is an OpenAI model."""
    config, seen = project.config, set[str]()
    for name, used_at in model_references(config):
        if name in seen or project.collector.filled.is_unresolved(used_at):
            continue
        seen.add(name)
        if name in config.models:
            yield UsedModel(name, config.models[name], ("models", name), True)
        elif name != "default":
            yield UsedModel(name, OpenAIModel(name=name), used_at, False)


def has_key(model: OpenAIModel, project: CheckedProject) -> bool:
    """Return whether calls of a model have an API key; a variable without a value counts."""
    return bool(model.api_key or project.environ.get("OPENAI_API_KEY"))


def is_at_openai(model: OpenAIModel, project: CheckedProject) -> bool:
    """Return whether a model is at OpenAI, rather than at a compatible endpoint."""
    return is_openais_model(model, project.environ)


def check_models(project: CheckedProject) -> None:
    """Report names that OpenAI does not know, packages that are not installed, and models without a key."""
    keyless: list[UsedModel] = []
    for used in used_models(project):
        match used.model:
            case OpenAIModel():
                _check_name(used, used.model, project)
                if not has_key(used.model, project) and used.model.offline is None:
                    keyless.append(used)
            case AnyLLMModel():
                _check_package(used, "any_llm", "any-llm", project)
            case LiteLLMModel():
                _check_package(used, "litellm", "litellm", project)
    _check_prices(project)
    if keyless:
        first, more = keyless[0], len(keyless) - 1
        others = f", nor has {more} other{'s' if more > 1 else ''}" if more else ""
        # A CI run that checks a change usually has no key, and needs none: only a note.
        message = f"the model {first.name!r} has no key{others}"
        project.collector.report("A625", first.path, message, _WAYS_OUT, severity="note")


def _check_prices(project: CheckedProject) -> None:
    """Report models whose tokens a budget in money can't count (A629)."""
    if project.config.limits.cost_budgets is None:
        return
    for used in used_models(project):
        is_free = isinstance(used.model, ScriptedModel) or _is_for_speech(used.model)
        if not is_free and model_prices(used.model, project.environ) is None:
            message = f"the model {used.name!r} has no price, so 'limits.cost' does not count what it uses"
            hint = "write 'price: {input: …, output: …}', in US dollars for a million tokens"
            hint = hint if used.is_declared else f"declare it in 'models': {{name: {used.name}, price: …}}"
            project.collector.report("A629", used.path, message, hint, severity="warning")


def _is_for_speech(model: Model) -> bool:
    known = known_model(model.name) if isinstance(model, OpenAIModel) else None
    return known is not None and known.kind == "transcription"


def _check_name(used: UsedModel, model: OpenAIModel, project: CheckedProject) -> None:
    if not is_at_openai(model, project) or _is_known(model.name):
        return
    if not used.is_declared and nearest(used.name, project.config.models, _LIKE_A_DECLARED_ONE):
        return  # reported as a misspelt name of `models` (A204)
    path = (*used.path, "name") if used.is_declared else used.path
    if foreign := _foreign_hint(model.name):
        message = f"OpenAI has no model {model.name!r}"
        project.collector.report("A620", path, message, foreign, severity="warning")
        return
    near = nearest(model.name, _served_models(project.today), _LIKE_A_MODEL)
    hint = f"did you mean {near!r}?" if near else "it may be newer than this release"
    message = f"{model.name!r} is none of the OpenAI models that this release knows"
    project.collector.report("A620", path, message, hint, severity="note")


# Whose models begin with these words, in the names of any-llm.
_FAMILIES = {
    **dict.fromkeys(("claude",), "anthropic"),
    **dict.fromkeys(("gemini", "gemma"), "gemini"),
    **dict.fromkeys(("mistral", "mixtral", "codestral", "magistral", "ministral", "pixtral"), "mistral"),
    **{"deepseek": "deepseek", "grok": "xai", "command": "cohere", "sonar": "perplexity", "kimi": "moonshot"},
}
_PROVIDERS = {*_FAMILIES.values(), "groq", "google", "vertexai", "vertex_ai", "bedrock", "azure", "openrouter"}
_PROVIDERS |= {"together", "together_ai", "fireworks", "ollama", "cerebras", "databricks", "huggingface", "nebius"}
_LOCAL_FAMILIES = ("llama", "qwen", "phi", "tinyllama", "vicuna", "falcon", "smollm", "granite")
_PREFIX = re.compile(r"(?P<provider>[A-Za-z][\w.-]*)[/:](?P<name>\S+)")
_STRAY = " \t,;'\"`\u201c\u201d\u2018\u2019\u201e"


def _foreign_hint(name: str) -> str:
    """Return how to declare a model that certainly is none of OpenAI's, or how its name is written; else empty."""
    plain = name.strip(_STRAY)
    if plain != name:
        return f"write {plain!r}" if plain else "give the name of a model"
    if name.startswith("ft:"):
        return ""
    if (usual := re.sub(r"[\s_]+", "-", name.lower())) != name and _is_known(usual):
        return f"write {usual!r}"
    match = _PREFIX.fullmatch(name)
    if match is not None and match["provider"].lower() in ("openai", "azure_openai"):
        return f"write {match['name']!r}: OpenAI is the default"
    if match is not None and match["provider"].lower() in _PROVIDERS:
        return f"declare it in 'models': {{any_llm: {match['provider']}/{match['name']}}}"
    if match is not None and _family(match["provider"]) is None:
        return f"declare it in 'models' with the 'base_url' of its server: {{name: {name!r}, base_url: …}}"
    family = _family(name)
    if family is None:
        return ""
    if family == "":
        return f"declare it in 'models' with the 'base_url' of its server: {{name: {name!r}, api: chat_completions, …}}"
    return f"declare it in 'models': {{any_llm: {family}/{name}}}"


def _family(name: str) -> str | None:
    """Return the provider of a family of models, empty for open models that anybody serves; None if unknown."""
    word = re.split(r"[^a-z]", name.lower(), maxsplit=1)[0]
    if word in _FAMILIES:
        return _FAMILIES[word]
    return "" if word in _LOCAL_FAMILIES else None


def _is_known(name: str) -> bool:
    return name.startswith("ft:") or any(known_model(each) for each in (name, _SNAPSHOT.sub("", name)))


def _served_models(today: date) -> list[str]:
    return [name for name in known_names() if (model := known_model(name)) and not model.is_shut_down(today)]


def _check_package(used: UsedModel, module: str, extra: str, project: CheckedProject) -> None:
    if find_spec(module) is None:
        message = f"the model {used.name!r} needs the package {module.replace('_', '-')!r}, which is not installed here"
        hint = f"pip install 'chatkit-runtime[{extra}]'"
        project.collector.report("A624", used.path, message, hint, severity="warning")


@dataclass(frozen=True, slots=True)
class AgentTools:
    """What an agent can call: `tools` maps a name to the reference in agents.yaml, `handoffs` one to an agent's name.

    `is_complete` is False where a variable is not set or a reference leads to nothing. `is_certain` is also False
    where Python may give a tool another name, or decides the handoffs. `servers` are the MCP servers whose tools are
    not listed, by name, each with the prefix of its tools and the names that it excludes.
    """

    tools: Mapping[str, str]
    handoffs: Mapping[str, str]
    is_complete: bool
    is_certain: bool
    knows_handoffs: bool = True
    servers: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All names that the agent can call."""
        return {*self.tools, *self.handoffs}

    def servers_of(self, name: str) -> list[str]:
        """Return the MCP servers that may have a tool of this name."""
        return [
            server
            for server, (prefix, excluded) in self.servers.items()
            if name.startswith(prefix) and name.removeprefix(prefix) not in excluded
        ]


def agent_name(project: CheckedProject, key: str) -> str:
    """Return the name of the agent that agents.yaml declares as `key`."""
    agent = project.config.agents.get(key)
    return (agent.name if agent is not None else None) or key


def agent_tools(project: CheckedProject, agent: Agent) -> AgentTools:
    """Return what an agent can call."""
    tools: dict[str, str] = {}
    servers: dict[str, tuple[str, frozenset[str]]] = {}
    knows_handoffs = agent.has_key("handoffs") and all(each.agent in project.config.agents for each in agent.handoffs)
    is_complete, is_certain = agent.has_key("tools"), True
    for reference in agent.tools:
        entry = project.config.tools.get(reference)
        operations = operation_names(project.config, project.files, reference)
        if operations is not None:
            tools |= dict.fromkeys(operations, reference)
        elif entry is not None:
            tools[getattr(entry, "hosted", None) or reference] = reference
        elif (split := split_reference(project.config, reference)) is not None:
            server = project.config.mcp[split[0]]
            listed = [split[1]] if split[1] != ALL else server.tools
            if listed is None:
                servers[split[0]] = (server.prefix, frozenset(server.exclude))
            else:
                allowed = (f"{server.prefix}{name}" for name in listed if name not in server.exclude)
                tools |= {legal_tool_name(name): reference for name in allowed}
        elif ":" in reference:
            symbol = project.find_symbol(reference)
            name = own_name(symbol) if symbol is not None and symbol.kind in ("function", "tool") else ""
            is_certain = is_certain and bool(name)
            tools[name or reference.rpartition(":")[2].rpartition(".")[2]] = reference
        else:
            is_complete = False  # an unknown tool, which is reported where it is named
        is_complete = is_complete and "${" not in reference
    names = [agent_name(project, handoff.agent) for handoff in agent.handoffs if handoff.agent in project.config.agents]
    handoffs = {transfer_name(name): name for name in names}
    is_certain = is_certain and is_complete and knows_handoffs
    return AgentTools(tools, handoffs, is_complete, is_certain, knows_handoffs, servers)
