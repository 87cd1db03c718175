from chatkit.agents import ThreadItemConverter


class Desk:
    def __init__(self, places: int, *, room: str = "hall") -> None:
        self.places, self.room = places, room


lamp = Desk(1)


class Shown(ThreadItemConverter):
    def __init__(self, currency: str) -> None:
        self.currency = currency
