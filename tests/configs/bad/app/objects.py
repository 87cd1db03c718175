from chatkit.agents import ThreadItemConverter


class Desk:
    def __init__(self, places: int, *, room: str = "hall") -> None:
        self.places, self.room = places, room

    async def close(self, ctx: object) -> None: ...

    async def open(self, ctx: object, action: object, sender: object) -> None: ...


lamp = Desk(1)


class Shown(ThreadItemConverter):
    def __init__(self, currency: str) -> None:
        self.currency = currency


def run(request: object) -> str:
    return "done"


def name_it(text: str) -> str:
    return text
