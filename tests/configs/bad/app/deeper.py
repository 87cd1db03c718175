"""A module that is broken itself, which is said once."""

def also(day: str) -> str:
return day
