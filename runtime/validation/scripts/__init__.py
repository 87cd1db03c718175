"""Checks of the scripts of offline and scripted models."""
