"""The tools of the project: functions whose type hints and docstrings describe them to the model."""

from __future__ import annotations

from typing import Literal

_WORDS = {"en": "Hello", "es": "Hola", "fr": "Bonjour"}


def greet(name: str, language: Literal["en", "es", "fr"] = "en") -> str:
    """Greet a person.

    Args:
        name: The name of the person.
        language: The language of the greeting.
    """
    return f"{_WORDS[language]}, {name}!"
