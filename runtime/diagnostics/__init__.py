"""A mistake in a user's file as data: its code, its position, its message and its hint."""
