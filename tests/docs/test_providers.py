"""The page of providers: each has a snippet, and each snippet is a whole project that `validate` accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "providers.md").read_text(encoding="utf-8")
SECTIONS = {match[1]: match[2] for match in re.finditer(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
PROVIDERS = [
    *("OpenAI", "Azure", "OpenRouter", "Ollama", "vLLM", "llama.cpp", "LM Studio"),
    *("DeepSeek", "Gemini", "Anthropic", "Mistral", "Bedrock"),
]


def test_every_provider_has_a_section() -> None:
    assert list(SECTIONS) == PROVIDERS


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_to_be_written_is_accepted(tmp_path: Path, provider: str) -> None:
    [snippet] = re.findall(r"```yaml\n(.*?)```", SECTIONS[provider], re.S)
    environ = dict.fromkeys((*re.findall(r"\$\{(\w+)\}", snippet), "OPENAI_API_KEY"), "none")
    (tmp_path / "agents.yaml").write_text(snippet, encoding="utf-8")
    diagnostics = check_project(load_config(tmp_path, environ=environ))
    # A624 depends on the packages that are installed.
    assert [str(each) for each in diagnostics if each.code != "A624"] == []
