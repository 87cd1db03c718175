"""The newsroom, written by hand."""
