"""Names that are looked up in a file when they are first used (PEP 562)."""

import json


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    with open("settings.json") as settings:
        return json.load(settings)[name]
