"""The steps of what a template reads that are no names of fields."""

from __future__ import annotations

ITEM = "[]"
"""The step into a list: `rows[0].name` reads `(rows, [], name)`."""
CALL = "()"
"""The last step of a read that calls a method: `text.upper()` needs no field of that name."""
