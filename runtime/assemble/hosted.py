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
