"""Benchmarks of the runtime against a ChatKit backend written by hand, such as `python -m benchmarks.turns`."""
