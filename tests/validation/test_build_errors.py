"""The errors of a build, in the words of the checks."""

from __future__ import annotations

from pathlib import Path

from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.validation.build_errors import explain_build_errors
from runtime.validation.project import check_project

CONFIG = """version: 1
models: {default: {scripted: s.yaml}}
agents: {guide: {instructions: Hi}}
chat: {title: {model: nobody}}
"""


def test_what_openai_may_not_serve_is_no_reason_why_a_build_fails(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(CONFIG)
    (tmp_path / "s.yaml").write_text("otherwise: fine\n")
    loaded = load_config(tmp_path, environ={})
    places = {each.code: each.place for each in check_project(loaded)}
    assert places["A620"] == places["A625"]
    error = Diagnostic("A301", "no key", places["A625"], path="chat.title.model")
    explained = explain_build_errors(loaded, [error])
    assert [(each.code, each.severity) for each in explained] == [("A625", "error")]
