"""Static analysis of the project's Python: sources are parsed and never run."""
