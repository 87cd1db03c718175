"""Dry runs of a start: build the project and try its connections, for `validate --import` and `--connect`."""
