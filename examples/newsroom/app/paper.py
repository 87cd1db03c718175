"""The paper's articles and the town's calendar."""

from __future__ import annotations

from typing import Any

ARTICLES: list[dict[str, Any]] = [
    {"id": "a1", "title": "Tram line four opens", "author": "R. Holt", "topic": "traffic", "text": "Line four runs."},
    {"id": "a2", "title": "A quiet harvest", "author": "M. Osei", "topic": "farming", "text": "Rain came late."},
    {"id": "a3", "title": "The bridge is closed", "author": "R. Holt", "topic": "traffic", "text": "Until May."},
]
EVENTS: list[dict[str, str]] = [
    {"day": "Saturday", "title": "Market on the square", "place": "Town square"},
    {"day": "Sunday", "title": "Choir in the chapel", "place": "Chapel Hill"},
]


def search(topic: str) -> list[dict[str, Any]]:
    """The articles on a topic."""
    return [article for article in ARTICLES if article["topic"] == topic]


def article(article_id: str) -> dict[str, Any] | None:
    """One article, or None."""
    return next((found for found in ARTICLES if found["id"] == article_id), None)


def find(text: str) -> list[dict[str, Any]]:
    """The articles whose title contains this text."""
    return [found for found in ARTICLES if text.lower() in found["title"].lower()]


def events(day: str) -> list[dict[str, str]]:
    """What is on that day."""
    return [event for event in EVENTS if event["day"].lower() == day.lower()]
