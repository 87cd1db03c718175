"""The libraries of the extras, which CI installs."""

from __future__ import annotations

import importlib.util

import pytest

from tests.cli.compiling import missing


@pytest.fixture(params=["any_llm", "litellm"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an installed library, which is that of the key in `models`."""
    name = str(request.param)
    if importlib.util.find_spec(name) is None:
        missing(f"{name} is not installed (pip install 'chatkit-runtime[any-llm,litellm]')")
    # LiteLLM would fetch a list of prices when it is imported.
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return name
