"""Unknown keys: the key that was probably meant, by the words of other frameworks and by the levels of the schema.

Runs only for a key that the schema does not know at its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.schema import config_schema, resolve
from runtime.diagnostics.key_path import KeyPath

# Keys of the OpenAI Agents SDK, LangChain, docker-agent, ADK, CrewAI and Microsoft's declarative agents, by the kind of
# mapping in which they occur, each with the key of this language.
_SYNONYMS: dict[str, dict[str, str]] = {
    "agents": {
        **dict.fromkeys(("instruction", "system", "system_prompt", "system_message", "systemPrompt"), "instructions"),
        **dict.fromkeys(("prompt", "prompt_template", "backstory", "persona", "goal", "role"), "instructions"),
        **dict.fromkeys(("sub_agents", "subAgents", "delegates", "agents", "children"), "handoffs"),
        **dict.fromkeys(("toolsets", "toolset", "functions", "function_tools", "skills", "plugins"), "tools"),
        **dict.fromkeys(("llm", "model_name", "deployment", "model_id", "engine"), "model"),
        **dict.fromkeys(("handoff_description", "summary"), "description"),
        **dict.fromkeys(("model_settings", "model_config", "generate_content_config", "model_kwargs"), "settings"),
        **dict.fromkeys(("max_iterations", "max_iter", "max_steps", "recursion_limit"), "max_turns"),
        **dict.fromkeys(("input_guardrails", "output_guardrails"), "guardrails"),
        **dict.fromkeys(("output_type", "output_schema", "response_format", "structured_output"), "output"),
    },
    "handoffs": {
        **dict.fromkeys(("name", "target", "to", "destination"), "agent"),
        **dict.fromkeys(("tool_description_override", "when", "condition"), "description"),
    },
    "tools": {
        **dict.fromkeys(("function", "func", "path", "module", "import", "callable", "ref", "handler"), "python"),
        **dict.fromkeys(("args", "kwargs", "arguments", "defaults", "bind"), "with"),
        **dict.fromkeys(("params_json_schema", "input_schema", "inputSchema", "args_schema", "schema"), "parameters"),
        **dict.fromkeys(("return_direct", "final", "tool_use_behavior"), "stop"),
        **dict.fromkeys(("description_override", "instruction", "instructions"), "description"),
    },
    "models": {
        **dict.fromkeys(("model", "model_name", "deployment", "id"), "name"),
        **dict.fromkeys(("api_base", "endpoint", "url", "openai_api_base", "host"), "base_url"),
        **dict.fromkeys(("key", "token", "openai_api_key", "token_key", "apikey"), "api_key"),
        **dict.fromkeys(("max_retries", "num_retries"), "retries"),
        **dict.fromkeys(("request_timeout",), "timeout"),
        **dict.fromkeys(("model_settings", "model_kwargs", "provider_opts", "params", "parameters"), "settings"),
    },
    "settings": {
        **dict.fromkeys(("max_output_tokens", "max_completion_tokens", "max_new_tokens"), "max_tokens"),
        **dict.fromkeys(("reasoning_effort", "effort", "thinking", "thinking_budget"), "reasoning"),
    },
    "widgets": {
        **dict.fromkeys(("schema", "data_schema", "jsonSchema", "props"), "data"),
        **dict.fromkeys(("example", "preview", "outputJsonPreview"), "sample"),
        **dict.fromkeys(("file", "path", "view", "tree"), "template"),
    },
    "actions": {
        **dict.fromkeys(("handler", "function", "func", "callback"), "python"),
        **dict.fromkeys(("schema", "payload_schema"), "payload"),
        **dict.fromkeys(("prompt", "text", "send"), "message"),
    },
    "chat": {
        **dict.fromkeys(("welcome", "welcome_message", "headline"), "greeting"),
        **dict.fromkeys(("conversation_starters", "starters", "starter_prompts", "prompts"), "start_prompts"),
    },
    "": {
        **dict.fromkeys(("root_agent", "default_agent", "main", "start", "starting_agent"), "entry"),
        **dict.fromkeys(("llms", "providers", "language_models"), "models"),
        **dict.fromkeys(("toolsets", "functions", "plugins"), "tools"),
        **dict.fromkeys(("mcp_servers", "mcpServers"), "mcp"),
        **dict.fromkeys(("database", "persistence", "checkpointer", "session", "sessions"), "store"),
        **dict.fromkeys(("conversation_starters", "starter_prompts"), "start_prompts"),
    },
}
_MCP = "declare servers in the section 'mcp' and name their tools in 'tools'"
_EFFORT = "the effort is 'reasoning: {effort: …}' in 'settings'"
_ADVICE: dict[tuple[str, str], str] = {
    **dict.fromkeys(
        (("agents", "mcp"), ("agents", "mcp_servers")),
        "declare servers in the section 'mcp' and name their tools in 'tools'",
    ),
    ("tools", "mcp"): "declare servers in the section 'mcp', or as a tool with 'hosted: mcp'",
    **dict.fromkeys((("agents", "reasoning_effort"), ("models", "reasoning_effort")), _EFFORT),
    **dict.fromkeys((("agents", "greeting"), ("agents", "welcome_message")), "write 'greeting' in the section 'chat'"),
    ("", "capabilities"): "declare what agents can do in 'tools', and name it in the 'tools' of an agent",
    ("agents", "id"): "the key of the entry is the agent's id",
    ("tools", "name"): "the key of the entry is the tool's name",
    ("tools", "type"): "a key such as 'python' or 'hosted' selects the kind of a tool",
    ("tools", "kind"): "a key such as 'python' or 'hosted' selects the kind of a tool",
    ("models", "provider"): "another provider's model is written 'any_llm: PROVIDER/NAME' or 'litellm: PROVIDER/NAME'",
    ("models", "type"): "another provider's model is written 'any_llm: PROVIDER/NAME' or 'litellm: PROVIDER/NAME'",
    ("", "name"): "the title of the chat is 'greeting' in 'chat'; an agent's name is in its entry",
}


def translate(path: KeyPath, known: Iterable[str]) -> str | None:
    """Return the key among `known` that corresponds to a key of another framework, the last step of `path`."""
    word = _SYNONYMS.get(_kind(path), {}).get(str(path[-1]))
    return word if word in set(known) else None


def has_advice(path: KeyPath) -> bool:
    """Return whether there is advice of its own for the unknown key at `path`."""
    return (_kind(path), str(path[-1])) in _ADVICE


def advise(path: KeyPath, known: Mapping[str, Any]) -> str:
    """Return where an unknown key belongs, or what to write instead; an empty text if that is unknown.

    `known` are the properties of the mapping that contains the key.
    """
    kind, key = _kind(path), str(path[-1])
    if advice := _ADVICE.get((kind, key)):
        return advice
    word = _SYNONYMS.get(kind, {}).get(key, key)
    inner = [name for name, part in known.items() if any(word in form for form in _inside(part, in_entries=not kind))]
    if len(inner) == 1:
        place = f"an entry of {inner[0]!r}" if not kind and inner[0] in NAMED_SECTIONS else repr(inner[0])
        return f"it belongs in {place}" if word == key else f"did you mean {word!r} in {inner[0]!r}?"
    return _higher(path, key)


def _higher(path: KeyPath, key: str) -> str:
    properties = config_schema()["properties"]
    if len(path) > 2 and path[0] in NAMED_SECTIONS and path[1] in properties:
        return f"{path[1]!r} is a top-level section: check its indentation"
    for level in range(len(path) - 2, 0, -1):
        if any(key in form for form in _forms(path[:level])):
            return f"it belongs one level up, beside {path[level]!r}"
    return f"{key!r} is a top-level section: check its indentation" if len(path) > 1 and key in properties else ""


def _kind(path: KeyPath) -> str:
    """Return the kind of mapping that contains the last step of `path`."""
    if len(path) < 2:
        return ""
    names = [step for step in path[2:-1] if isinstance(step, str)] if path[0] in NAMED_SECTIONS else []
    return str(names[-1] if names else path[0])


def _inside(part: dict[str, Any], *, in_entries: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the properties of the mappings that a property holds: itself, in a list, or as the entries of a section."""
    for form in _unions(part):
        if "properties" in form:
            yield form["properties"]
        if isinstance(items := form.get("items"), dict):
            yield from (inner["properties"] for inner in _unions(items) if "properties" in inner)
        if in_entries and isinstance(more := form.get("additionalProperties"), dict):
            yield from (inner["properties"] for inner in _unions(more) if "properties" in inner)


def _forms(path: KeyPath) -> Iterator[Mapping[str, Any]]:
    """Yield the properties of every mapping that the schema allows at `path`."""
    parts: list[dict[str, Any]] = [config_schema()]
    for step in path:
        following: list[dict[str, Any]] = []
        for form in (form for part in parts for form in _unions(part)):
            more = form.get("items") if isinstance(step, int) else form.get("properties", {}).get(step)
            more = more or (form.get("additionalProperties") if isinstance(step, str) else None)
            following += [more] if isinstance(more, dict) else []
        parts = following
    yield from (form["properties"] for part in parts for form in _unions(part) if "properties" in form)


def _unions(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    resolved = resolve(part, config_schema())
    branches = resolved.get("anyOf") or resolved.get("oneOf")
    if not branches:
        yield resolved
    for branch in branches or ():
        yield from _unions(branch)
