"""The Python of the project that `benchmarks.soak` edits; there its name is `desk`."""
