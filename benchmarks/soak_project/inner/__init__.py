"""The package that contains `stamp.py`, which each edit of the code writes again."""
