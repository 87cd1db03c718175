"""Diagnostics as output: code frames, text, JSON, GitHub annotations, SARIF, JUnit XML."""
