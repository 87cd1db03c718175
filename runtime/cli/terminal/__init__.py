"""The chat client in the terminal."""
