"""A tool that looks for its source by name."""

from app import weather

SOURCES = {"almanac": weather}


def forecast(day: str, source: str) -> str:
    """Tell the weather of a day."""
    return SOURCES[source].forecast(day, "metric")
