"""The sample project's Python: tools, and the seams that agents.yaml names."""
