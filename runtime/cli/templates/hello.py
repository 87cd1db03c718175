"""The project's tools: plain functions, whose type hints and docstrings tell the model how to call them."""

from __future__ import annotations

from typing import Literal

_WORDS = {"en": "Hello", "es": "Hola", "fr": "Bonjour"}


def greet(name: str, language: Literal["en", "es", "fr"] = "en") -> str:
    """Greet somebody.

    Args:
        name: Who is greeted.
        language: The language of the greeting.
    """
    return f"{_WORDS[language]}, {name}!"
