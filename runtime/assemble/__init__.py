"""Build the objects of the SDKs, and of the project's own Python, that a configuration declares."""
