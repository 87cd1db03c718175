"""The HTTP surface: the ASGI app, its routes and its streamed responses."""
