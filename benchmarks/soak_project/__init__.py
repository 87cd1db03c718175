"""The Python package of the project that `benchmarks.soak` edits; there it is called `desk`."""
