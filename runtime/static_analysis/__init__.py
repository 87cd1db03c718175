"""What can be known of the project's Python by reading it: nothing of it is ever run."""
