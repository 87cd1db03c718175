"""The trails that Trailhead knows."""

from typing import Any, Literal

TRAILS: list[dict[str, Any]] = [
    {"name": "Ridge Walk", "km": 7.2, "climb_m": 340, "difficulty": "easy"},
    {"name": "Lake Loop", "km": 5.1, "climb_m": 60, "difficulty": "easy"},
    {"name": "North Face", "km": 14.8, "climb_m": 1120, "difficulty": "hard"},
]


async def find_trails(difficulty: Literal["easy", "hard"]) -> list[dict[str, Any]]:
    """Find trails by how hard they are.

    Args:
        difficulty: How hard the trail may be.
    """
    return [trail for trail in TRAILS if trail["difficulty"] == difficulty]
