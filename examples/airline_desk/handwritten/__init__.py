"""The airline desk, written by hand."""
