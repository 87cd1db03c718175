"""Generations: how edited files become the snapshot that serves requests."""
