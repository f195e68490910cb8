"""`login`, `logout`: keep credentials once a registry has accepted them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.errors import InvalidArgument
from kitfast.settings import Network


@dataclass(frozen=True)
class LoggedIn:
    """The registry and the user that it accepted."""

    registry: str
    username: str


@dataclass(frozen=True)
class LoggedOut:
    """The registry, and whether there was a login to forget."""

    registry: str
    was_logged_in: bool


async def login(
    registry: str,
    username: str,
    password: str,
    *,
    home: Path | None = None,
    network: Network | None = None,
) -> LoggedIn:
    """Asks a registry whether it accepts a user, and keeps the credentials if so.

    They are kept in `credentials.json` in kitfast's home, readable by its owner only.

    Raises:
        AuthenticationFailed: the registry does not accept them; nothing is kept.
    """
    if not username or not password:
        raise InvalidArgument("a login needs a user name and a password")
    from kitfast.registry.client import Registry
    from kitfast.registry.credentials import Credentials

    folder = home or settings.home()
    host = _host(registry)
    credentials = Credentials(folder)
    given = credentials.only(host, username, password)
    async with Registry(host, network or settings.network(), given) as client:
        await client.ping()
    credentials.save(host, username, password)
    return LoggedIn(host, username)


async def logout(registry: str, *, home: Path | None = None) -> LoggedOut:
    """Forgets the credentials kitfast keeps for a registry; those of other tools stay."""
    from kitfast.registry.credentials import Credentials

    host = _host(registry)
    return LoggedOut(host, Credentials(home or settings.home()).erase(host))


def _host(registry: str) -> str:
    """The host of what people write: with a scheme, a path or a slash at its end."""
    host = registry.split("://", 1)[-1].split("/", 1)[0]
    if not host:
        raise InvalidArgument(f"{registry!r} names no registry", hint="write its host name")
    return host
