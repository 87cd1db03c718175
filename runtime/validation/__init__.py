"""What `validate` can know of a project beyond agents.yaml itself, without running a byte of it."""
