"""Reads from the mirrors of a registry first, and from itself where they fail.

What a mirror sends is held to its digest like everything else, and a mirror that fails,
lacks a blob or sends a wrong one is asked for that blob no more. Every host gets the
credentials that are its own, and no mirror our client certificate.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import (
    ConnectionFailed,
    InvalidArgument,
    KitfastError,
    ProtocolError,
    RegistryError,
)
from ..settings import Network
from ..together import NOT_NEEDED
from .blobs import BlobStream
from .client import Fetched, Registry
from .credentials import Credentials
from .retry import in_a_hurry

# What a mirror is asked beside blobs is small, and the registry itself stands behind it: one
# that has not answered by now saves nobody any time. Caches that ask upstream first fit in.
ANSWER_SECONDS = 10.0
# The first blob of all that a mirror is asked for; a cache may fetch it before it sends it.
FIRST_BLOB_SECONDS = 60.0

CONFIG = "config.json"
# A list of hosts; more is no configuration.
CONFIG_LIMIT = 1 << 20

T = TypeVar("T")

# What the other side is to blame for; a full disk, say, is not among these.
THEIRS = (ConnectionFailed, ProtocolError, RegistryError)

log = logging.getLogger("kitfast")


class Mirrored(Registry):
    """A registry whose manifests and blobs are read from mirrors where they have them.

    Args:
        own: The registry that references name.
        mirrors: What is asked before it, in order.
    """

    def __init__(self, own: Registry, mirrors: list[Registry], credentials: Credentials) -> None:
        super().__init__(own.host, own.network, credentials)
        self._mirrors = mirrors
        self._stack = AsyncExitStack()
        self._refused: dict[str, set[str]] = {}
        self._served: dict[str, set[str]] = {}
        self._proven: set[str] = set()

    async def __aenter__(self) -> Mirrored:
        await super().__aenter__()
        for mirror in self._mirrors:
            await self._stack.enter_async_context(mirror)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()
        await super().__aexit__(*exception)

    async def manifest(self, repository: str, reference: str) -> Fetched:
        """Reads a manifest from the first that has it; a tag is what that one says it is."""
        return await self._first(
            reference,
            lambda mirror: mirror.manifest(repository, reference),
            lambda: super(Mirrored, self).manifest(repository, reference),
        )

    async def blob_bytes(self, repository: str, digest: str, size: int) -> bytes:
        """Reads a small blob whole from the first that has it, verified."""
        return await self._first(
            digest,
            lambda mirror: mirror.blob_bytes(repository, digest, size),
            lambda: super(Mirrored, self).blob_bytes(repository, digest, size),
        )

    def get_blob(
        self,
        repository: str,
        digest: str,
        *,
        start: int | None = None,
        end: int | None = None,
        size: int,
    ) -> AbstractAsyncContextManager[BlobStream]:
        """Opens a blob, or a range of it, at the first that has it."""
        return self._opened(repository, digest, start, end, size)

    def distrust_mirrors(self, digest: str) -> tuple[str, ...]:
        """Reads a blob from no mirror any more; returns those that sent bytes of it."""
        self._refused.setdefault(digest, set()).update(one.host for one in self._mirrors)
        return tuple(sorted(self._served.pop(digest, set())))

    @asynccontextmanager
    async def _opened(
        self, repository: str, digest: str, start: int | None, end: int | None, size: int
    ) -> AsyncIterator[BlobStream]:
        async with AsyncExitStack() as stack:
            for mirror in self._asked(digest):
                blob = mirror.get_blob(repository, digest, start=start, end=end, size=size)
                proven = mirror.host in self._proven
                patience = None if proven else FIRST_BLOB_SECONDS
                try:
                    stream = await _soon(mirror, stack.enter_async_context(blob), patience)
                except KitfastError as error:
                    self._refuse(mirror, digest, error)
                    if isinstance(error, ConnectionFailed) and not proven:
                        self._pass_over(mirror)
                    continue
                except asyncio.CancelledError as stop:
                    self._give_up(mirror, digest, stop)
                    raise
                self._proven.add(mirror.host)
                self._served.setdefault(digest, set()).add(mirror.host)
                try:
                    yield stream
                except THEIRS as error:
                    self._refuse(mirror, digest, error)
                    # Whatever was wrong with the mirror, the next one may do better.
                    raise ConnectionFailed(str(error), transient=True, host=mirror.host) from error
                except asyncio.CancelledError as stop:
                    self._give_up(mirror, digest, stop)
                    raise
                return
            own = super().get_blob(repository, digest, start=start, end=end, size=size)
            yield await stack.enter_async_context(own)

    def _asked(self, what: str) -> list[Registry]:
        refused = self._refused.get(what, set())
        return [mirror for mirror in self._mirrors if mirror.host not in refused]

    def _give_up(self, mirror: Registry, digest: str, stop: asyncio.CancelledError) -> None:
        """Blames a mirror that was too slow, but not one whose answer was not needed."""
        if NOT_NEEDED not in stop.args:
            self._refuse(mirror, digest, None)
            if mirror.host not in self._proven:
                self._pass_over(mirror)

    def _pass_over(self, mirror: Registry) -> None:
        """Asks a mirror for nothing any more; others may have found out at the same time."""
        if mirror in self._mirrors:
            self._mirrors.remove(mirror)

    def _refuse(self, mirror: Registry, what: str, error: Exception | None) -> None:
        self._refused.setdefault(what, set()).add(mirror.host)
        log.debug("mirror %s gives no %s: %s", mirror.host, what, error or "too slow")

    async def _first(
        self,
        what: str,
        ask: Callable[[Registry], Coroutine[Any, Any, T]],
        ask_own: Callable[[], Coroutine[Any, Any, T]],
    ) -> T:
        for mirror in self._asked(what):
            try:
                return await _soon(mirror, ask(mirror), ANSWER_SECONDS)
            except KitfastError as error:
                self._refuse(mirror, what, error)
                if isinstance(error, ConnectionFailed) or getattr(error, "transient", False):
                    # It is not there, or in trouble: that took long enough to find out.
                    self._pass_over(mirror)
        return await ask_own()


async def _soon(mirror: Registry, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    """Asks a mirror once, however it fails, and waits no longer than so many seconds.

    Raises:
        ConnectionFailed: It did not answer in time.
    """
    with in_a_hurry():
        task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise ConnectionFailed(
                f"{mirror.host}: no answer within {seconds:g} seconds", host=mirror.host
            )
        return task.result()
    finally:
        if not task.done():
            task.cancel(NOT_NEEDED)
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # of no use any more, but asyncio wants it looked at


def mirrored(own: Registry, home: Path, credentials: Credentials) -> Registry:
    """The registry with its mirrors before it, or the registry itself when it has none.

    Args:
        own: The registry, not opened yet.
        home: The folder whose `config.json` names mirrors where the settings name none.
        credentials: Where logins are found, each for its own host.

    Raises:
        InvalidArgument: The file cannot be read.
        InvalidReference: A mirror is no host.
    """
    names = _hosts(own.network.mirror, own.host) or _configured(home / CONFIG, own.host)
    mirrors = [_registry(name, own.network, credentials) for name in names]
    return Mirrored(own, mirrors, credentials) if mirrors else own


def _hosts(entries: tuple[str, ...], registry: str) -> list[str]:
    """The mirrors of one registry among entries that are `HOST` or `REGISTRY=HOST`."""
    found: dict[str, None] = {}
    for entry in entries:
        only, equals, host = entry.rpartition("=")
        if not host or (equals and not only):
            raise InvalidArgument(
                f"{entry!r} is no mirror", hint="write HOST, or REGISTRY=HOST for one registry"
            )
        if not equals or only == registry:
            found[host] = None
    return [host for host in found if host != registry]


def _configured(path: Path, registry: str) -> list[str]:
    """The mirrors that the configuration file names for a registry, or for all of them."""
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_LIMIT)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidArgument(f"{path}: {error.strerror}") from error
    try:
        named: Any = json.loads(text).get("mirrors", {})
        lists = [named.get(registry, []), named.get("*", [])]
        if not all(isinstance(hosts, list) for hosts in lists):
            raise TypeError("mirrors are no list")
        hosts = [host for hosts in lists for host in hosts]
        if not all(isinstance(host, str) for host in hosts):
            raise TypeError("a mirror is no text")
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InvalidArgument(
            f"{path}: names mirrors in a way that is not understood",
            hint='write {"mirrors": {"registry.example": ["mirror.example:5000"]}}',
        ) from error
    return _hosts(tuple(hosts), registry)


def _registry(name: str, network: Network, credentials: Credentials) -> Registry:
    """A mirror, written as a host, or with `http://` or `https://` before it."""
    scheme, found, host = name.rpartition("://")
    if found and scheme not in ("http", "https"):
        raise InvalidArgument(f"{name}: a mirror is a host, perhaps with http:// before it")
    plain = network.plain_http if not found else scheme == "http"
    reached = replace(network, plain_http=plain, cert=None, key=None, mirror=())
    return Registry(host.rstrip("/"), reached, credentials)
