"""Who sends a request."""


def user(request):
    """Return the id in the session, or None for a request without a login."""
    return request.session.get("user_id")
