"""The limits of one call of a tool: its time, and the size of its output."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents import (
    ApplyPatchTool,
    CustomTool,
    FunctionTool,
    LocalShellTool,
    ShellResult,
    ShellTool,
    Tool,
    ToolOutputFileContent,
    ToolOutputImage,
    ToolOutputText,
)
from agents.editor import ApplyPatchEditor, ApplyPatchResult
from agents.tool_context import ToolContext
from mcp.types import CallToolResult, TextContent

from runtime.config.model.limits import Limits

_FILE_KEYS = frozenset({"image_url", "file_id", "file_data", "file_url"})
_SHORT = (bool, int, float, type(None))


def limit_tool(tool: FunctionTool, limits: Limits) -> FunctionTool:
    """Return a tool whose calls end after `limits.tool`, unless it has a time of its own, and whose output is cut.

    A call that takes too long is cancelled, and the model gets a timeout message.
    """

    async def invoke(ctx: ToolContext[Any], arguments: str) -> Any:
        return cut_output(await tool.on_invoke_tool(ctx, arguments), limits.tool_output)

    limited = copy.copy(tool)
    limited.on_invoke_tool = invoke
    if limited.timeout_seconds is None:
        limited.timeout_seconds = limits.tool
    return limited


def limit_local_tool(tool: Tool, limits: Limits) -> Tool:
    """Return a tool that is no function, whose output is cut if the project's own code makes it.

    What a hosted tool finds, and the screenshots of a computer, are not cut.
    """
    most, limited = limits.tool_output, copy.copy(tool)
    match limited:
        case ShellTool() if limited.executor is not None:
            limited.executor = _cutting(limited.executor, most)
        case LocalShellTool():
            limited.executor = _cutting(limited.executor, most)
        case ApplyPatchTool():
            limited.editor = _CuttingEditor(limited.editor, most)
        case CustomTool():
            limited.on_invoke_tool = _cutting(limited.on_invoke_tool, most)
        case _:
            return tool
    return limited


class _CuttingEditor:
    def __init__(self, editor: ApplyPatchEditor, most: int) -> None:
        self.create_file = _cutting(editor.create_file, most)
        self.update_file = _cutting(editor.update_file, most)
        self.delete_file = _cutting(editor.delete_file, most)


def _cutting(function: Callable[..., Any], most: int) -> Callable[..., Any]:
    async def call(*args: Any) -> Any:
        result = function(*args)
        return _cut_local(await result if inspect.isawaitable(result) else result, most)

    return call


def _cut_local(result: Any, most: int) -> Any:
    match result:
        case ApplyPatchResult():
            return replace(result, output=cut_output(result.output, most))
        case ShellResult():
            outputs, left = [], most
            for output in result.output:
                stdout, stderr = cut_text(output.stdout, max(left, 0)), output.stderr
                left -= len(output.stdout)
                stderr = cut_text(stderr, max(left, 0))
                left -= len(output.stderr)
                outputs.append(replace(output, stdout=stdout, stderr=stderr))
            return replace(result, output=outputs)
    return cut_output(result, most)


def cut_output(output: Any, most: int) -> Any:
    """Return the output of a tool with at most about `most` bytes of text; a note to the model replaces the rest.

    Images and files are not cut.
    """
    if isinstance(output, list) and output and all(_is_text(part) or _is_file(part) for part in output):
        return _cut_parts(output, most)
    if isinstance(output, str):
        return cut_text(output, most)
    if isinstance(output, _SHORT) or _is_file(output):
        return output
    if _is_text(output):
        return _cut_parts([output], most)[0]
    # The SDK sends any other value to the model as this text.
    text = str(output)
    cut = cut_text(text, most)
    return output if cut is text else cut


def cut_result(result: CallToolResult, most: int) -> CallToolResult:
    """Return the result of an MCP server's tool with at most about `most` bytes of text."""
    content: list[Any] = []
    left = most
    for part in result.content:
        if isinstance(part, TextContent):
            text = cut_text(part.text, max(left, 0))
            left -= len(part.text)
            content.append(part if text is part.text else part.model_copy(update={"text": text}))
        else:
            content.append(part)
    changes: dict[str, Any] = {"content": content}
    if result.structured_content is not None and len(str(result.structured_content)) > most:
        changes["structured_content"] = {"error": _note(len(str(result.structured_content)), 0).strip()}
    return result.model_copy(update=changes)


def cut_text(text: str, most: int) -> str:
    """Return the text itself, or its first `most` bytes as UTF-8 with a note."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    return encoded[:most].decode("utf-8", "ignore") + _note(len(encoded), most)


def _note(size: int, most: int) -> str:
    return f"\n[The output was cut: it has {size} bytes, and at most {most} are given. Ask for less.]"


def _cut_parts(parts: list[Any], most: int) -> list[Any]:
    cut: list[Any] = []
    for part in parts:
        if _is_text(part):
            text = part["text"] if isinstance(part, dict) else part.text
            part = ToolOutputText(text=cut_text(text, max(most, 0)))
            most -= len(text)
        cut.append(part)
    return cut


def _is_text(value: Any) -> bool:
    return isinstance(value, ToolOutputText) or (
        isinstance(value, dict) and value.get("type") == "text" and isinstance(value.get("text"), str)
    )


def _is_file(value: Any) -> bool:
    """Return whether the SDK sends the value as an image or a file."""
    if isinstance(value, ToolOutputImage | ToolOutputFileContent):
        return True
    return isinstance(value, dict) and value.get("type") in ("image", "file") and not _FILE_KEYS.isdisjoint(value)
