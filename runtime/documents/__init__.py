"""Files as data with positions: YAML, JSON, and the `${NAME}` in their strings."""
