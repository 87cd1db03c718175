"""The child process in which `validate --import` builds a project."""
