"""Tools for testing a project: a scripted model, a stub server of the OpenAI API, and conformance tests for stores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.assemble.scripted_model import ScriptedConversation, ScriptedFailure, ScriptError, load_script
    from runtime.testing.openai_stub import OpenAIStub, StubHold, StubRequest
    from runtime.testing.sse import parse_events
    from runtime.testing.store_suite import StoreSuite

__all__ = [
    "OpenAIStub",
    "ScriptError",
    "ScriptedConversation",
    "ScriptedFailure",
    "StoreSuite",
    "StubHold",
    "StubRequest",
    "load_script",
    "parse_events",
]

# Imported on demand: only the store suite needs pytest, and only the stub a web server.
_HOMES = {
    "OpenAIStub": "runtime.testing.openai_stub",
    "ScriptError": "runtime.assemble.scripted_model",
    "ScriptedConversation": "runtime.assemble.scripted_model",
    "ScriptedFailure": "runtime.assemble.scripted_model",
    "StoreSuite": "runtime.testing.store_suite",
    "StubHold": "runtime.testing.openai_stub",
    "StubRequest": "runtime.testing.openai_stub",
    "load_script": "runtime.assemble.scripted_model",
    "parse_events": "runtime.testing.sse",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
