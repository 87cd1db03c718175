import pytest

import runtime.testing
from runtime.assemble import scripted_model as scripted


def test_every_public_name_is_there() -> None:
    missing = [name for name in runtime.testing.__all__ if not hasattr(runtime.testing, name)]
    assert missing == []


def test_the_scripted_model_is_the_one_that_agents_yaml_builds() -> None:
    assert runtime.testing.ScriptedConversation is scripted.ScriptedConversation


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Stub'"):
        _ = runtime.testing.Stub
