"""A server in a process of its own, with leases that run out soon; tests kill it. Its project is below."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from runtime.server.app import build_app
from runtime.server.generations.project_source import read_project
from runtime.server.runtime import build_runtime
from runtime.server.settings import ServerSettings

WORDS = [f"word{number}" for number in range(150)]
CODE = '''
import json, os

from agents import Model, ModelResponse, Usage
from runtime.assemble.scripted_events import play
from runtime.scripts.player import Call, Say

async def refund(order: str) -> str:
    "Refund an order."
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(order + "\\n")
    return "refunded " + order

class Slow(Model):
    """Refunds the order that the last message names, then counts; for `go on` it says which refunds it knows of."""

    async def get_response(self, *args, **kwargs):
        raise NotImplementedError

    async def stream_response(self, system_instructions, input, *args, **kwargs):
        items = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        calls = [item for item in items if item.get("type") == "function_call"]
        outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
        if sorted(outputs) != sorted(item["call_id"] for item in calls):
            raise ValueError(f"calls and outputs are no pairs: {items}")
        orders = [json.loads(item["arguments"])["order"] for item in calls]
        message = [item["content"] for item in items if item.get("role") == "user"][-1]
        if message == "go on":
            step = Say(text="knows " + ",".join(orders), delay_s=0)
        elif message not in orders:
            step = Call(name="refund", arguments=json.dumps({"order": message}))
        else:
            step = Say(text=os.environ["WORDS"], delay_s=0.02)
        async for event in play([step]):
            yield event

def model():
    return Slow()
'''


def project(url: str) -> dict[str, Any]:
    """Return the project's agents.yaml."""
    return {
        "store": url,
        "models": {"default": {"python": "acts:model"}},
        "tools": {"refund": "acts:refund"},
        "agents": {"helper": {"tools": ["refund"]}},
    }


def serve(lease_s: str) -> int:
    """Serve the project in the working directory until the process ends."""
    seconds = float(lease_s)
    settings = ServerSettings(files_stable_s=0.01, lease_s=seconds, renew_s=seconds / 5, poll_s=0.1)
    app = build_app(build_runtime(read_project(Path.cwd(), os.environ), os.environ, settings))
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    sys.stdout.write(f"serving http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none")).run(sockets=[listener])
    return 0
