"""The lounge itself, which both servers use."""
