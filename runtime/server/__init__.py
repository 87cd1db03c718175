"""Requests to answers: the ChatKit server, its HTTP surface, and the generations that serve."""
