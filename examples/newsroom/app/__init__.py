"""The paper itself, which both newsrooms use."""
