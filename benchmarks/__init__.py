"""How the runtime compares with a ChatKit backend written by hand: `python -m benchmarks.turns`."""
