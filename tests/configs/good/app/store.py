"""A store of the project's own."""

from typing import Any

from chatkit.store import Store as ChatKitStore


class Store(ChatKitStore[Any]):
    """Threads in memory, a number of them."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size
