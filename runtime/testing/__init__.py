"""Tools for testing a project: a scripted model, a stub server of the OpenAI API, and conformance tests for stores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.assemble.scripted_model import ScriptedConversation, ScriptedFailure, ScriptError, load_script
    from runtime.testing.openai_stub import OpenAIStub, StubHold, StubRequest
    from runtime.testing.provider_cases import PROVIDER_CASES, ProviderCase, RawReply
    from runtime.testing.sse import parse_events
    from runtime.testing.store_suite import StoreSuite, TurnStoreSuite

__all__ = [
    "PROVIDER_CASES",
    "OpenAIStub",
    "ProviderCase",
    "RawReply",
    "ScriptError",
    "ScriptedConversation",
    "ScriptedFailure",
    "StoreSuite",
    "StubHold",
    "StubRequest",
    "TurnStoreSuite",
    "load_script",
    "parse_events",
]

# Imported on demand: only the store suite needs pytest, and only the stub a web server.
_HOMES = {
    "runtime.assemble.scripted_model": ("ScriptError", "ScriptedConversation", "ScriptedFailure", "load_script"),
    "runtime.testing.openai_stub": ("OpenAIStub", "StubHold", "StubRequest"),
    "runtime.testing.provider_cases": ("PROVIDER_CASES", "ProviderCase", "RawReply"),
    "runtime.testing.sse": ("parse_events",),
    "runtime.testing.store_suite": ("StoreSuite", "TurnStoreSuite"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
