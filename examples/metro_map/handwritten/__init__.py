"""The metro guide, written by hand."""
