"""The files that embed the ChatKit component in a web page: HTML, JavaScript and TypeScript."""
