"""The quirks of real providers through LiteLLM; CI installs it and refuses a skip."""

import importlib.util

import pytest

from runtime.testing import PROVIDER_CASES
from tests.conversations.conftest import MakeChat, chat, player
from tests.conversations.provider_outcomes import hold_column, outcome

__all__ = ["chat", "player"]
# The library warns of itself; what we check is that it answers.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        importlib.util.find_spec("litellm") is None, reason="litellm is not installed (chatkit-runtime[litellm])"
    ),
]


async def test_every_case_ends_as_the_docs_say(chat: MakeChat, monkeypatch: pytest.MonkeyPatch) -> None:  # the fixture
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    hold_column("litellm", {case: await outcome(chat, "litellm", case) for case in PROVIDER_CASES})
