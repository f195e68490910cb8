"""Chooses the proxy for an address, as `--proxy` or the environment ask for."""

from __future__ import annotations

import ipaddress
from urllib.request import getproxies_environment

from yarl import URL

from ..errors import InvalidArgument


class Proxies:
    """Which proxy each address goes through.

    An explicit proxy takes every connection. The environment's (`HTTPS_PROXY`,
    `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, either case) never take those to this machine,
    as in every tool written in Go.

    Raises:
        InvalidArgument: The proxy's address cannot be used.
    """

    def __init__(self, explicit: str | None = None) -> None:
        self._explicit = _address(explicit) if explicit else None
        found = {} if explicit else getproxies_environment()
        self._bypassed = [entry for entry in _split(found.get("no", "")) if entry]
        self._by_scheme = {
            scheme: _address(value)
            for scheme in ("http", "https")
            if (value := found.get(scheme) or found.get("all"))
        }

    def for_url(self, url: URL) -> URL | None:
        """Returns the proxy `url` is to be fetched through, or None for none."""
        if self._explicit is not None:
            return self._explicit
        proxy = self._by_scheme.get(url.scheme)
        if proxy is None or _is_here(url.host or "") or self._is_bypassed(url):
            return None
        return proxy

    def _is_bypassed(self, url: URL) -> bool:
        host = (url.host or "").lower().rstrip(".")
        return any(_covers(entry, host, url.port) for entry in self._bypassed)


def _split(text: str) -> list[str]:
    return [entry.strip().lower() for entry in text.split(",")]


def _address(text: str) -> URL:
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        # The text may hold a password: it is not repeated.
        raise InvalidArgument(
            "the proxy's address cannot be used", hint="it must look like http://HOST:PORT"
        )
    return url


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
