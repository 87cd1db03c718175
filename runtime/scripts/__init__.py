"""Offline scripts: their grammar, and the replies that a script gives to a conversation."""
