"""Calls that are no functions, of MCP servers that OpenAI asks and of commands and patches: how they are told of later.

Within a run the model is told in the API's own items. Later turns are told the same as a function's call and output:
the items of the API can't stand without the reasoning that led to them, which no thread keeps, nor at other endpoints.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from agents import HostedMCPTool, Tool

from runtime.assemble.hosted_tools import allows_tool, hosted_signature

REQUEST = "mcp_approval_request"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_WORK = {"shell_call": "shell", "apply_patch_call": "apply_patch"}


def read_request(raw: Mapping[str, Any]) -> dict[str, str] | None:
    """What is kept of an item that asks for a call's approval; None for the call of a function."""
    if raw.get("type") != REQUEST:
        return None
    return {key: str(raw.get(key) or "") for key in ("server_label", "name", "arguments")}


def signature_of_request(request: Mapping[str, str], tools: Iterable[Tool]) -> str:
    """What the approval holds for: the server of that label among the tools; empty where there is none."""
    label, name = request["server_label"], request["name"]
    servers = [tool for tool in tools if isinstance(tool, HostedMCPTool) and tool.tool_config["server_label"] == label]
    return next((hosted_signature(tool) for tool in servers if allows_tool(tool, name)), "")


def told_call(call_id: str, call: Mapping[str, Any], output: str) -> list[dict[str, Any]]:
    """A call and what came of it, as later turns are told of them."""
    # Chat Completions takes no ids as long as those of such calls.
    call_id = f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
    name = _NOT_IN_NAMES.sub("_", f"{call['server_label']}__{call['name']}")[:_LONGEST_NAME]
    arguments = call.get("arguments") or "{}"
    return [
        {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": output},
    ]


def told_work(item: Any) -> dict[str, Any] | None:
    """Commands, a patch, or what came of them, as later turns are told; None for items of other kinds."""
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
    """What a call that was carried out has come to."""
    if raw.error is None:
        return raw.output or ""
    error = raw.error if isinstance(raw.error, str) else json.dumps(raw.error, default=_plain)
    return f"The call failed: {error}"


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else str(value)


def without_credentials(state: Any) -> Any:
    """A stored run without what its hosted tools were declared with: keys and headers stay out of the store."""
    if isinstance(state, dict):
        return {
            key: _label_alone(value) if key == "mcp_tool" else without_credentials(value)
            for key, value in state.items()
        }
    return [without_credentials(value) for value in state] if isinstance(state, list) else state


def _label_alone(tool: Any) -> Any:
    config = tool.get("tool_config") if isinstance(tool, dict) else None
    if not isinstance(config, dict):
        return tool
    return {"name": tool.get("name"), "tool_config": {key: config.get(key) for key in ("type", "server_label")}}
