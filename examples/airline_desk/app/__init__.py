"""The airline itself, which both desks use."""
