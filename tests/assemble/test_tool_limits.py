"""The output of a tool is cut for the model, with a note; images and files are not."""

from __future__ import annotations

from typing import Any

import pytest
from agents import (
    ApplyPatchTool,
    CustomTool,
    LocalShellTool,
    ShellCommandOutput,
    ShellResult,
    ShellTool,
    ToolOutputImage,
    ToolOutputText,
    WebSearchTool,
)
from agents.editor import ApplyPatchResult
from mcp.types import CallToolResult, TextContent

from runtime.assemble.tool_limits import cut_output, cut_result, cut_text, limit_local_tool
from runtime.config.model.limits import Limits

NOTE = "\n[The output was cut: it has"
IMAGE = ToolOutputImage(image_url="data:image/png;base64," + "A" * 5000)


@pytest.mark.parametrize("output", ["x" * 1000, "é" * 500, {"a": 1}, 5, None, [], IMAGE, [IMAGE], "x" * 300])
def test_what_is_within_the_limit_is_unchanged(output: Any) -> None:
    assert cut_output(output, 1000) is output or cut_output(output, 1000) == output


@pytest.mark.parametrize(
    "output", ["x" * 1001, "é" * 501, {"rows": ["x"] * 1000}, ["x" * 2000], {"type": "file"} | {"x": "x" * 2000}]
)
def test_a_long_output_is_cut_and_says_so_to_the_model(output: Any) -> None:
    cut = cut_output(output, 1000)
    text, _, note = cut.partition(NOTE)
    assert len(text.encode()) <= 1000
    assert str(output).startswith(text)
    assert note.startswith(f" {len(str(output).encode())} bytes, and at most 1000 are given.")


def test_a_character_is_not_cut_in_two() -> None:
    assert cut_text("é" * 1000, 1001).partition(NOTE)[0] == "é" * 500


def test_texts_beside_images_share_the_limit() -> None:
    parts = [ToolOutputText(text="x" * 900), IMAGE, {"type": "text", "text": "y" * 900}]
    first, image, last = cut_output(parts, 1000)
    assert (first.text, image) == ("x" * 900, IMAGE)
    assert last.text.partition(NOTE)[0] == "y" * 100


def test_the_result_of_an_mcp_server_is_cut() -> None:
    content: Any = [TextContent(type="text", text="x" * 900), TextContent(type="text", text="y" * 900)]
    result = CallToolResult(content=content, structured_content={"rows": ["x"] * 1000})
    cut: Any = cut_result(result, 1000)
    assert cut.content[0].text == "x" * 900
    assert cut.content[1].text.partition(NOTE)[0] == "y" * 100
    assert "was cut" in cut.structured_content["error"]
    small = CallToolResult(content=content[:1], structured_content={"a": 1})
    assert cut_result(small, 1000) == small


# Tools that are no functions.

LIMITS = Limits.model_validate({"tool_output": "1KiB"})
LONG = "x" * 3000


def _long(*args: Any) -> Any:
    return LONG


async def _long_later(*args: Any) -> Any:
    return LONG


def _commands(request: Any) -> ShellResult:
    return ShellResult([ShellCommandOutput(stdout="x" * 900, stderr=LONG), ShellCommandOutput(stdout="", stderr="y")])


class _Editor:
    def create_file(self, operation: Any) -> ApplyPatchResult:
        return ApplyPatchResult(status="completed", output=LONG)

    def update_file(self, operation: Any) -> str:
        return LONG

    async def delete_file(self, operation: Any) -> None:
        return None


@pytest.mark.parametrize("run", [_long, _long_later])
async def test_the_text_of_a_shell_is_cut(run: Any) -> None:
    for tool in (ShellTool(executor=run), LocalShellTool(executor=run)):
        limited: Any = limit_local_tool(tool, LIMITS)
        assert (await limited.executor(None)).startswith("x" * 1024 + NOTE)
        assert tool.executor is run


async def test_the_commands_of_a_shell_share_the_limit() -> None:
    limited: Any = limit_local_tool(ShellTool(executor=_commands), LIMITS)
    first, second = (await limited.executor(None)).output
    assert first.stdout == "x" * 900
    assert first.stderr.startswith("x" * 124 + NOTE)
    assert (second.stdout, second.stderr.partition(NOTE)[0]) == ("", "")


async def test_what_an_editor_says_is_cut() -> None:
    editor: Any = limit_local_tool(ApplyPatchTool(editor=_Editor()), LIMITS)
    created = await editor.editor.create_file(None)
    assert (created.status, created.output.partition(NOTE)[0]) == ("completed", "x" * 1024)
    assert (await editor.editor.update_file(None)).partition(NOTE)[0] == "x" * 1024
    assert await editor.editor.delete_file(None) is None


async def test_the_output_of_a_custom_tool_is_cut() -> None:
    limited: Any = limit_local_tool(CustomTool("free", "Takes text.", _long_later), LIMITS)
    assert (await limited.on_invoke_tool(None, "hi")).startswith("x" * 1024 + NOTE)


def test_a_hosted_tool_stays_as_it_is() -> None:
    tool = WebSearchTool()
    assert limit_local_tool(tool, LIMITS) is tool
