"""The quirks of real providers, byte for byte, through the whole server: no turn ends in silence, or without a name."""

from __future__ import annotations

import pytest

from runtime.testing import PROVIDER_CASES
from tests.conversations.conftest import MakeChat
from tests.conversations.provider_outcomes import hold_column, outcome

APIS = pytest.mark.parametrize("api", ["chat_completions", "responses"])


@APIS
async def test_every_case_ends_as_the_docs_say(chat: MakeChat, api: str) -> None:
    hold_column(api, {case: await outcome(chat, api, case) for case in PROVIDER_CASES})
