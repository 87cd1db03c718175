"""A store of the project's own."""

from typing import Any

from runtime.stores.memory import MemoryStore


class Store(MemoryStore):
    """Threads in memory, a number of them."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size
