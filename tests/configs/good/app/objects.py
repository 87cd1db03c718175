from chatkit.agents import ThreadItemConverter


class Desk:
    def __init__(self, places: int = 1, *, room: str = "hall") -> None:
        self.places, self.room = places, room

    async def refund(self, ctx: object, action: object, sender: object) -> None: ...


def build_desk(places: str, **more: str) -> Desk:
    return Desk(len(places), **more)


lamp = Desk(1)


class Shown(ThreadItemConverter):
    def __init__(self, currency: str) -> None:
        self.currency = currency


def run(request: object) -> str:
    return "done"


class Editor:
    def create_file(self, operation: object) -> None: ...

    def update_file(self, operation: object) -> None: ...

    def delete_file(self, operation: object) -> None: ...
