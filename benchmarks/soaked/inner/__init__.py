"""Where the stamp of the code stands; each edit of the code writes `stamp.py` anew."""
