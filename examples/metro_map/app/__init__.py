"""The metro itself, which both guides use."""
