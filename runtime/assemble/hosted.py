"""Tools that run at OpenAI: declared options -> the SDK's tool objects."""

from __future__ import annotations

from typing import Any

from agents import CodeInterpreterTool, FileSearchTool, ImageGenerationTool, Tool, WebSearchTool

from runtime.config.model import tools as declared

Hosted = declared.WebSearch | declared.FileSearch | declared.CodeInterpreter | declared.ImageGeneration


def build_hosted(entry: Hosted) -> Tool:
    """Make the SDK's tool; options that were left out keep OpenAI's defaults."""
    match entry:
        case declared.WebSearch():
            return _web_search(entry)
        case declared.FileSearch():
            return FileSearchTool(vector_store_ids=list(entry.vector_store_ids), max_num_results=entry.max_num_results)
        case declared.CodeInterpreter():
            container: Any = {"type": "auto", "file_ids": list(entry.file_ids)}
            return CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": container})
        case declared.ImageGeneration():
            options: Any = entry.model_dump(exclude={"hosted", "description"}, exclude_none=True)
            if not entry.partial_images:
                options.pop("partial_images")
            config: Any = {"type": "image_generation", **options}
            return ImageGenerationTool(tool_config=config)


def _web_search(entry: declared.WebSearch) -> WebSearchTool:
    options: dict[str, Any] = {"search_context_size": entry.search_context_size}
    if entry.country or entry.city:
        options["user_location"] = {"type": "approximate", "country": entry.country, "city": entry.city}
    if entry.allowed_domains:
        options["filters"] = {"allowed_domains": list(entry.allowed_domains)}
    return WebSearchTool(**options)
