"""Checks of the project's Python, which is read and never run."""
