"""Functions, and objects with methods."""

NAME = "shop"


def single(text: str) -> str:
    """Return a text."""
    return text


def other(text: str) -> str:
    """Return a text."""
    return text


def holder(text: str) -> str:
    """Return a text."""
    return text


holder.inner = single  # type: ignore[attr-defined]


class Shop:
    """A shop."""

    def sell(self, thing: str) -> str:
        """Sell a thing."""
        return thing


shop = Shop()
