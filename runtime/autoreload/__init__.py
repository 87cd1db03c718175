"""Reload the project when its files change."""
