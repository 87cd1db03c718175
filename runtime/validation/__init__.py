"""The checks of `validate` beyond agents.yaml itself; none of them runs code of the project."""
