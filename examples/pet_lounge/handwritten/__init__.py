"""The pet lounge, written by hand."""
