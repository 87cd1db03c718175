"""Instructions as a text in Python."""

booking = "You book rooms."
