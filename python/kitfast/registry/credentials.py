"""Finds the credentials for a registry, and keeps the ones of `kitfast login`."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Login:
    """What a registry is shown: a name and password, or a token instead.

    Attributes:
        username: The account's name.
        password: Its password.
        identity_token: An OAuth2 refresh token, traded for access tokens.
        registry_token: An access token, shown as it is.
        source: Where it was found, for errors; never a secret.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    def basic(self) -> str:
        """Returns the value of a Basic `Authorization` header (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"


class Credentials:
    """Logins by host, given by the caller."""

    def __init__(self, explicit: dict[str, Login] | None = None) -> None:
        self._explicit = dict(explicit or {})

    async def lookup(self, host: str, repository: str | None = None) -> Login | None:
        """Returns the login for `host`, or None."""
        return self._explicit.get(host)
