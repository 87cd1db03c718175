"""The interface of every kind of login: a request becomes a user."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import HTTPConnection

from runtime.auth.user import User


class Authenticator(Protocol):
    """One kind of login, built from the section `auth`."""

    async def identify(self, connection: HTTPConnection) -> User:
        """Return the user who sent a request, whose body can't be read here.

        Raise Unauthenticated without a valid login, or another RequestError.
        """
