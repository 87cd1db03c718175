"""The mutation test of `validate`: random edits of the sample project, each checked, built and run."""
