"""A tool that looks for its source by name."""

import importlib


def forecast(day: str, source: str) -> str:
    """Tell the weather of a day."""
    return str(importlib.import_module(f"app.sources.{source}").forecast(day))
