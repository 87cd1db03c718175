"""An object of the project's own."""


class CatStore:
    """Cats, by thread."""

    def __init__(self) -> None:
        self.cats: dict[str, str] = {}
