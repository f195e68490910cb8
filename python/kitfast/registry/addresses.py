"""Addresses of the distribution API, and whom a redirect may lead to."""

from __future__ import annotations

import re

from yarl import URL

from ..errors import InvalidReference, ProtocolError
from ..oci.digest import check, is_digest
from ..settings import Network
from .errcodes import Ask, clean

# Docker Hub's API lives under another name than its references say.
ALIASES = {
    "docker.io": "registry-1.docker.io",
    "index.docker.io": "registry-1.docker.io",
}

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
# Distribution specification 1.1, "Pulling manifests".
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Addresses:
    """Where one registry's manifests, blobs, uploads and tags are.

    Raises:
        InvalidReference: The host is no host name with an optional port.
    """

    def __init__(self, host: str, network: Network) -> None:
        if not _HOST.fullmatch(host):
            raise InvalidReference(f"{clean(host)!r} is not the address of a registry")
        scheme = "http" if network.plain_http else "https"
        try:
            self.root = URL(f"{scheme}://{ALIASES.get(host, host)}/v2/")
        except ValueError as error:
            raise InvalidReference(f"{host!r} is not the address of a registry") from error

    def manifest(self, repository: str, reference: str) -> URL:
        """Returns the address of a manifest, by tag or digest."""
        named = reference if is_digest(reference) else _matching(_TAG, reference, "tag")
        return self._in(repository, f"manifests/{named}")

    def blob(self, repository: str, digest: str) -> URL:
        """Returns the address of a blob."""
        return self._in(repository, f"blobs/{check(digest)}")

    def uploads(self, repository: str) -> URL:
        """Returns the address that opens uploads."""
        return self._in(repository, "blobs/uploads/")

    def tags(self, repository: str) -> URL:
        """Returns the address of the list of tags."""
        return self._in(repository, "tags/list")

    def referrers(self, repository: str, digest: str) -> URL:
        """Returns the address of the list of what refers to a manifest."""
        return self._in(repository, f"referrers/{check(digest)}")

    def _in(self, repository: str, rest: str) -> URL:
        name = _matching(_REPOSITORY, repository, "repository")
        return URL(f"{self.root}{name}/{rest}", encoded=True)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidReference(f"{clean(text)!r} is not a valid {what}")
    return text


def same_origin(one: URL, other: URL) -> bool:
    """Whether both addresses are one scheme, host and port, so may see one Authorization."""
    return one.origin() == other.origin()


def location(base: URL, value: str | None, ask: Ask, *, plain_http: bool) -> URL:
    """Resolves a `Location` or `Link` against the address it came from, and checks it.

    An absolute one is kept exactly as it is: storage addresses are signed as written.

    Args:
        base: The address that answered.
        value: The header's value.
        ask: What was asked, for errors.
        plain_http: Whether plain HTTP was asked for.

    Raises:
        ProtocolError: It is missing, not an HTTP address, carries credentials, or would
            leave TLS without having been asked to.
    """
    if not value:
        raise ProtocolError(f"{ask}: the registry names no address to go on with")
    try:
        if not value.isascii() or not value.isprintable():
            raise ValueError(value)
        target = URL(value, encoded=True)
        if not target.scheme:
            target = base.join(target)
        if target.scheme not in ("http", "https") or not target.host or target.user is not None:
            raise ValueError(value)
        target.origin()
    except ValueError as error:
        shown = clean(value.partition("?")[0], 100)
        raise ProtocolError(f"{ask}: led to an unusable address, {shown}") from error
    if target.scheme == "http" and not plain_http:
        raise ProtocolError(
            f"{ask}: led from HTTPS to plain HTTP at {target.host}",
            hint="the registry must know that it is served by HTTPS (X-Forwarded-Proto, "
            "or relative addresses); --plain-http allows plain HTTP everywhere",
        )
    return target
