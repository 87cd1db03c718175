"""Tools of OpenAI's own: those that run there, and those whose work the project itself carries out."""

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

from runtime.assemble.problems import BuildError
from runtime.config.model import tools as declared
from runtime.project_code.loader import ProjectCode

Hosted = (
    declared.WebSearch | declared.FileSearch | declared.CodeInterpreter | declared.ImageGeneration | declared.HostedMcp
)


def build_hosted(entry: Hosted) -> Tool:
    """Make the SDK's tool; options that were left out keep OpenAI's defaults."""
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


def build_trusted(entry: declared.ShellTool | declared.PatchTool, code: ProjectCode) -> Tool:
    """Make the tool of what the project itself has written to run commands, or to change files. Raise BuildError."""
    if isinstance(entry, declared.ShellTool):
        run = code.resolve(entry.shell)
        if not callable(run):
            raise BuildError(f"{entry.shell!r} is {type(run).__name__}", "give a function of the request", code="A324")
        return ShellTool(executor=run, needs_approval=entry.needs_approval)
    value = code.resolve(entry.apply_patch)
    editor = value() if isinstance(value, type) else value
    if not isinstance(editor, ApplyPatchEditor):
        hint = "it needs create_file, update_file and delete_file"
        raise BuildError(f"{entry.apply_patch!r} is no agents.ApplyPatchEditor", hint, code="A324")
    return ApplyPatchTool(editor=editor, needs_approval=entry.needs_approval)


def _web_search(entry: declared.WebSearch) -> WebSearchTool:
    options: dict[str, Any] = {"search_context_size": entry.search_context_size}
    place = {name: getattr(entry, name) for name in ("country", "region", "city", "timezone") if getattr(entry, name)}
    if place:
        options["user_location"] = {"type": "approximate", **place}
    if entry.allowed_domains:
        options["filters"] = {"allowed_domains": list(entry.allowed_domains)}
    if entry.max_images is not None:
        options["image_settings"] = {"max_results": entry.max_images}
    return WebSearchTool(external_web_access=entry.live, search_content_types=entry.content, **options)


def _file_search(entry: declared.FileSearch) -> FileSearchTool:
    ranking: Any = {
        name: value
        for name, value in (("ranker", entry.ranker), ("score_threshold", entry.score_threshold))
        if value is not None
    }
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
    given = {
        "server_url": entry.url,
        "connector_id": entry.connector,
        "authorization": entry.authorization or None,
        "headers": dict(entry.headers) or None,
        "server_description": entry.description,
        "allowed_tools": entry.tools,
    }
    config |= {key: value for key, value in given.items() if value is not None}
    return HostedMCPTool(tool_config=config)


def _approval(entry: declared.HostedMcp) -> Any:
    if isinstance(entry.needs_approval, bool):
        return "always" if entry.needs_approval else "never"
    # Both said: what the API does with a tool that stands in neither list is its own affair.
    rest = [tool for tool in entry.tools or () if tool not in entry.needs_approval]
    asked = {"always": {"tool_names": list(entry.needs_approval)}, "never": {"tool_names": rest}}
    return {key: names for key, names in asked.items() if names["tool_names"]}


def hosted_signature(tool: HostedMCPTool) -> str:
    """What an approval of a call holds for: the server that would be called, as a hash."""
    config = tool.tool_config
    place = [config.get(key) for key in ("server_label", "server_url", "connector_id", "tunnel_id")]
    return hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]


def allows_tool(tool: HostedMCPTool, name: str) -> bool:
    """Tell whether the server's tool of that name may be called."""
    allowed = tool.tool_config.get("allowed_tools")
    names = allowed.get("tool_names") if isinstance(allowed, dict) else allowed
    return names is None or name in names
