"""The quirks of real providers through LiteLLM and any-llm."""

from __future__ import annotations

import pytest

from runtime.testing import PROVIDER_CASES
from tests.conversations.conftest import MakeChat, chat, player, turn
from tests.conversations.provider_outcomes import hold_column, outcome

__all__ = ["chat", "player", "turn"]
# The libraries warn of themselves; what we check is that they answer.
pytestmark = pytest.mark.filterwarnings("default")


async def test_every_case_ends_as_the_docs_say(chat: MakeChat, library: str) -> None:
    hold_column(library, {case: await outcome(chat, library, case) for case in PROVIDER_CASES})
