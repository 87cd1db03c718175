"""The quirks of real providers through LiteLLM and any-llm; CI installs them and refuses a skip."""

import importlib.util

import pytest

from runtime.testing import PROVIDER_CASES
from tests.conversations.conftest import MakeChat, chat, player, turn
from tests.conversations.provider_outcomes import hold_column, outcome

__all__ = ["chat", "player", "turn"]
# The libraries warn of themselves; what we check is that they answer.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("library", ["litellm", "any_llm"])
async def test_every_case_ends_as_the_docs_say(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:  # the fixture
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed (chatkit-runtime[litellm,any-llm])")
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    hold_column(library, {case: await outcome(chat, library, case) for case in PROVIDER_CASES})
