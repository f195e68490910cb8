"""Chooses the proxy for an address, as `--proxy` or the environment ask for."""

from __future__ import annotations

import functools
import ipaddress
import logging
import os
from dataclasses import dataclass
from urllib.request import getproxies_environment

from yarl import URL

from ..errors import InvalidArgument
from .errcodes import clean

# Of these there is no client here.
SOCKS = ("socks", "socks4", "socks4a", "socks5", "socks5h")

log = logging.getLogger("kitfast")


class Proxies:
    """Which proxy each address goes through.

    An explicit proxy takes every connection. The environment's (`HTTPS_PROXY`,
    `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, either case) never take those to this machine,
    as in every tool written in Go.

    Raises:
        InvalidArgument: The explicit proxy's address cannot be used.
    """

    def __init__(self, explicit: str | None = None) -> None:
        self._explicit = _Named("--proxy (or KITFAST_PROXY)", explicit).url() if explicit else None
        found = {} if explicit else getproxies_environment()
        self._bypassed = [entry for entry in _split(found.get("no", "")) if entry]
        # Read when one is needed: where all is bypassed, none of them can be in the way.
        self._named = {scheme: _for_scheme(found, scheme) for scheme in ("http", "https")}
        self._read: dict[str, URL | None] = {}

    def for_url(self, url: URL) -> URL | None:
        """Returns the proxy `url` is to be fetched through, or None for none.

        Raises:
            InvalidArgument: There is one, and its address cannot be used.
        """
        if self._explicit is not None:
            return self._explicit
        named = self._named.get(url.scheme)
        if named is None or _is_here(url.host or "") or self._is_bypassed(url):
            return None
        if url.scheme not in self._read:
            self._read[url.scheme] = named.usable()
        return self._read[url.scheme]

    def _is_bypassed(self, url: URL) -> bool:
        host = (url.host or "").lower().rstrip(".")
        return any(_covers(entry, host, url.port) for entry in self._bypassed)


@dataclass(frozen=True)
class _Named:
    """A proxy's address as somebody wrote it, and where that was."""

    origin: str
    text: str

    def usable(self) -> URL | None:
        """The address; None for SOCKS in `ALL_PROXY`, which programs in Go do not read at all."""
        scheme = self.text.partition("://")[0].lower()
        if self.origin.upper() == "ALL_PROXY" and scheme in SOCKS:
            _pass_over(self.origin, self._shown())
            return None
        return self.url()

    def url(self) -> URL:
        try:
            url = URL(self.text if "://" in self.text else f"http://{self.text}")
        except ValueError:
            url = URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidArgument(
                f"{self.origin}: the proxy's address {self._shown()} cannot be used",
                hint="it must look like http://HOST:PORT",
            )
        return url

    def _shown(self) -> str:
        """The text without what stands before the last @: it may be a password."""
        scheme, found, rest = self.text.partition("://")
        return clean(f"{scheme}://{_without_user(rest)}" if found else _without_user(scheme))


def _for_scheme(found: dict[str, str], scheme: str) -> _Named | None:
    for kind in (scheme, "all"):
        if text := found.get(kind):
            return _Named(_variable(kind, text), text)
    return None


def _variable(kind: str, text: str) -> str:
    """The variable's name as it is in the environment, where both cases may be."""
    wanted = f"{kind}_proxy"
    names = [name for name in os.environ if name.lower() == wanted and os.environ[name] == text]
    # Where both hold the same, the lower case is the one that counts, as everywhere.
    return max(names, default=wanted.upper())


def _without_user(text: str) -> str:
    return text.rpartition("@")[2]


@functools.cache
def _pass_over(origin: str, shown: str) -> None:
    """Warns of a variable that is not followed: once, however many registries there are."""
    log.warning("%s=%s is ignored: SOCKS proxies cannot be used here", origin, shown)


def _split(text: str) -> list[str]:
    return [entry.strip().lower() for entry in text.split(",")]


def _is_here(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    address = _ip(host)
    return address is not None and address.is_loopback


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether a NO_PROXY entry (`*`, host, .domain, IP, IP/bits, each with :port) covers host."""
    if entry == "*":
        return True
    address = _ip(host)
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, colon, tail = entry.rpartition(":")
    if colon and tail.isdigit() and (name.count(":") == 0 or name.startswith("[")):
        if port != int(tail):
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return address == _ip(entry)
    bare = entry.removeprefix("*").removeprefix(".")
    return bool(bare) and (host.endswith(f".{bare}") or (host == bare and entry[0] not in "*."))


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
