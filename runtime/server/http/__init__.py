"""The HTTP side of the server: the ASGI app, its routes and its streamed responses."""
