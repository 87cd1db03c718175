"""OpenAI's built-in tools: hosted ones that run at OpenAI, and shell and patch tools that the project executes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from agents import (
    ApplyPatchTool,
    CodeInterpreterTool,
    FileSearchTool,
    HostedMCPTool,
    ImageGenerationTool,
    ShellTool,
    Tool,
    WebSearchTool,
)
from agents.editor import ApplyPatchEditor

from runtime.assemble.functions import resolve_function, resolve_object
from runtime.config.model import tools as declared
from runtime.project_code.loader import ProjectCode

HostedEntry = (
    declared.WebSearch | declared.FileSearch | declared.CodeInterpreter | declared.ImageGeneration | declared.HostedMcp
)


def build_hosted(entry: HostedEntry) -> Tool:
    """Make the SDK's tool; omitted options keep OpenAI's defaults."""
    match entry:
        case declared.WebSearch():
            return _web_search(entry)
        case declared.FileSearch():
            return _file_search(entry)
        case declared.CodeInterpreter():
            container: Any = {"type": "auto", "file_ids": list(entry.file_ids)}
            return CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": container})
        case declared.ImageGeneration():
            options: Any = entry.model_dump(exclude={"hosted", "description"}, exclude_none=True)
            if not entry.partial_images:
                options.pop("partial_images")
            config: Any = {"type": "image_generation", **options}
            return ImageGenerationTool(tool_config=config)
        case declared.HostedMcp():
            return _mcp(entry)


def build_local(entry: declared.ShellTool | declared.PatchTool, code: ProjectCode) -> Tool:
    """Make a tool whose commands or file changes the project's own code executes. Raise BuildError or ResolveError."""
    if isinstance(entry, declared.ShellTool):
        execute = resolve_function(code, entry.shell, "a function of the request")
        return ShellTool(executor=execute, needs_approval=entry.needs_approval)
    hint = "it needs create_file, update_file and delete_file"
    editor = resolve_object(code, entry.apply_patch, ApplyPatchEditor, "agents.ApplyPatchEditor", hint)  # type: ignore[type-abstract]
    return ApplyPatchTool(editor=editor, needs_approval=entry.needs_approval)


def _web_search(entry: declared.WebSearch) -> WebSearchTool:
    options: dict[str, Any] = {"search_context_size": entry.search_context_size}
    names = ("country", "region", "city", "timezone")
    location = {name: value for name in names if (value := getattr(entry, name))}
    if location:
        options["user_location"] = {"type": "approximate", **location}
    if entry.allowed_domains:
        options["filters"] = {"allowed_domains": list(entry.allowed_domains)}
    if entry.max_images is not None:
        options["image_settings"] = {"max_results": entry.max_images}
    return WebSearchTool(external_web_access=entry.live, search_content_types=entry.content, **options)


def _file_search(entry: declared.FileSearch) -> FileSearchTool:
    ranking: Any = entry.model_dump(include={"ranker", "score_threshold"}, exclude_none=True)
    filters: Any = entry.filters
    return FileSearchTool(
        vector_store_ids=list(entry.vector_store_ids),
        max_num_results=entry.max_num_results,
        include_search_results=entry.include_results,
        ranking_options=ranking or None,
        filters=filters,
    )


def _mcp(entry: declared.HostedMcp) -> HostedMCPTool:
    config: Any = {"type": "mcp", "server_label": entry.label, "require_approval": _approval(entry)}
    options = {
        "server_url": entry.url,
        "connector_id": entry.connector,
        "authorization": entry.authorization or None,
        "headers": dict(entry.headers) or None,
        "server_description": entry.description,
        "allowed_tools": entry.tools,
    }
    config |= {key: value for key, value in options.items() if value is not None}
    return HostedMCPTool(tool_config=config)


def _approval(entry: declared.HostedMcp) -> Any:
    if isinstance(entry.needs_approval, bool):
        return "always" if entry.needs_approval else "never"
    # Both lists are sent, because the API does not define the treatment of a tool in neither.
    others = [tool for tool in entry.tools or () if tool not in entry.needs_approval]
    policy = {"always": {"tool_names": list(entry.needs_approval)}, "never": {"tool_names": others}}
    return {key: names for key, names in policy.items() if names["tool_names"]}


def hosted_signature(tool: HostedMCPTool) -> str:
    """Return a hash of the server to call: an approval is valid only while it is unchanged."""
    config = tool.tool_config
    server = [config.get(key) for key in ("server_label", "server_url", "connector_id", "tunnel_id")]
    return hashlib.sha256(json.dumps(server).encode()).hexdigest()[:16]


def allows_tool(tool: HostedMCPTool, name: str) -> bool:
    """Return whether the server's tool of that name may be called."""
    allowed = tool.tool_config.get("allowed_tools")
    names = allowed.get("tool_names") if isinstance(allowed, dict) else allowed
    return names is None or name in names
