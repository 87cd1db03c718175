"""The packing lists, one for each thread."""

from collections import defaultdict
from typing import Any


class PackingLists:
    """What each hiker has to bring, by thread; declared as `state` in agents.yaml."""

    def __init__(self) -> None:
        self.lists: defaultdict[str, dict[str, bool]] = defaultdict(dict)

    def add(self, thread_id: str, item: str) -> None:
        self.lists[thread_id].setdefault(item, False)

    def toggle(self, thread_id: str, item: str) -> None:
        self.lists[thread_id][item] = not self.lists[thread_id].get(item, False)

    def items(self, thread_id: str) -> list[dict[str, Any]]:
        return [{"name": name, "packed": packed} for name, packed in self.lists[thread_id].items()]
