class Orders:
    def __init__(self):
        self.items = ["tea"]

    def dump(self):
        return self.items

    def load(self, items):
        self.items = items
