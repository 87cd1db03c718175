def look(place: str, far: bool = False) -> str:
    """Look at a place, or far beyond it."""
    return f"{place} {far}"


class Cats:
    """An object of `state`."""
