"""Ends the process when a setting is missing, instead of raising."""

import os

if "SHOP_LICENCE_OF_NOBODY" not in os.environ:
    print("this shop needs a licence")
    os._exit(7)


def price(item: str) -> float:
    """What an item costs."""
    return 3.0
