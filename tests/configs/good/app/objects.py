from chatkit.agents import ThreadItemConverter


class Desk:
    def __init__(self, places: int, *, room: str = "hall") -> None:
        self.places, self.room = places, room


def build_desk(places: str, **more: str) -> Desk:
    return Desk(len(places), **more)


lamp = Desk(1)


class Shown(ThreadItemConverter):
    def __init__(self, currency: str) -> None:
        self.currency = currency
