"""The files that embed ChatKit's component in a web page: HTML and TypeScript."""
