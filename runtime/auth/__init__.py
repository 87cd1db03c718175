"""Who sends a request: the users, and the kinds of login that `auth:` declares."""
