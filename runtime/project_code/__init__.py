"""The project's Python: its sources in memory, and the isolated module table that each generation loads from them."""
