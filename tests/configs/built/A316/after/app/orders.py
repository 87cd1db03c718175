class Orders:
    def __init__(self):
        self.items = {}

    def dump(self):
        return self.items

    def load(self, items):
        self.items = dict(items)
