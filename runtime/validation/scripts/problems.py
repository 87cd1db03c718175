"""A problem of a script, and the agents that answer from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.validation.models import AgentTools

Agents = Mapping[str, AgentTools]
"""Agents by name, and what each can call."""


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A mistake at `path` of a script, or of a call's arguments; `at_key` says that the key is wrong."""

    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = "error"
    at_key: bool = False
