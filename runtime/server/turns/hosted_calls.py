"""Calls of hosted MCP servers, commands and patches, as function calls for later turns.

Within a run, the model gets the API's own items. Those need the reasoning before them, which threads do not store, and
other endpoints do not accept them. So later turns get each of them as a function's call and output.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agents import HostedMCPTool, Tool

from runtime.assemble.declared_tools import allows_tool, hosted_signature

REQUEST = "mcp_approval_request"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_WORK = {"shell_call": "shell", "apply_patch_call": "apply_patch"}


def read_request(raw: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the stored part of a hosted call's approval request; None for the call of a function."""
    if raw.get("type") != REQUEST:
        return None
    return {key: str(raw.get(key) or "") for key in ("server_label", "name", "arguments")}


def signature_of_request(request: Mapping[str, str], tools: Iterable[Tool]) -> str:
    """Return the signature of the server that a request is for, among the tools; empty if there is none."""
    label, name = request["server_label"], request["name"]
    servers = [tool for tool in tools if isinstance(tool, HostedMCPTool) and tool.tool_config["server_label"] == label]
    return next((hosted_signature(tool) for tool in servers if allows_tool(tool, name)), "")


def hosted_call_items(call_id: str, call: Mapping[str, Any], output: str) -> list[dict[str, Any]]:
    """Return a hosted call and its output as items of a function call."""
    # Chat Completions does not accept ids as long as those of hosted calls.
    call_id = f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
    name = _NOT_IN_NAMES.sub("_", f"{call['server_label']}__{call['name']}")[:_LONGEST_NAME]
    arguments = call.get("arguments") or "{}"
    return [
        {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": output},
    ]


def work_item(item: Any) -> dict[str, Any] | None:
    """Return a command, a patch, or the output of one as an item of a function call; None for other items."""
    if item.type not in ("tool_call_item", "tool_call_output_item"):
        return None
    raw = item.raw_item if isinstance(item.raw_item, dict) else item.raw_item.model_dump(exclude_none=True)
    kind = str(raw.get("type", ""))
    name = _WORK.get(kind.removesuffix("_output"))
    if name is None or "call_id" not in raw:
        return None
    if kind.endswith("_output"):
        return {"type": "function_call_output", "call_id": raw["call_id"], "output": str(getattr(item, "output", ""))}
    arguments = json.dumps(raw.get("action") or raw.get("operation") or {})
    return {"type": "function_call", "call_id": raw["call_id"], "name": name, "arguments": arguments}


def output_of(raw: Any) -> str:
    """Return the output of a hosted call, or its error."""
    if raw.error is None:
        return raw.output or ""
    error = raw.error if isinstance(raw.error, str) else json.dumps(raw.error, default=_to_plain)
    return f"The call failed: {error}"


def _to_plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else str(value)


def without_credentials(state: Any) -> Any:
    """Return a run's state without the declarations of its hosted tools, so that no keys and headers are stored."""
    if isinstance(state, dict):
        return {
            key: _label_only(value) if key == "mcp_tool" else without_credentials(value) for key, value in state.items()
        }
    return [without_credentials(value) for value in state] if isinstance(state, list) else state


def _label_only(tool: Any) -> Any:
    config = tool.get("tool_config") if isinstance(tool, dict) else None
    if not isinstance(config, dict):
        return tool
    return {"name": tool.get("name"), "tool_config": {key: config.get(key) for key in ("type", "server_label")}}
