"""Reads parts of a layer from a registry: into memory, or as if each were a blob."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING

from kitfast.errors import ProtocolError, RangeRefused
from kitfast.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from kitfast.modelkit.fetch import Source
    from kitfast.registry.blobs import BlobStream
    from kitfast.registry.client import Registry


class RangesRefused(ProtocolError):
    """A registry, or its storage, answered with a whole layer when asked for a part of it."""

    default_hint = "leave out --unverified: the whole layer is then fetched once"


class Window:
    """Bytes of a layer with the face of a registry that holds them as a blob.

    Args:
        registry: what the layer is read from.
        layer: the layer.
        offset: where the window begins.
    """

    def __init__(self, registry: Registry, layer: Descriptor, offset: int) -> None:
        self.registry, self.layer, self.offset = registry, layer, offset

    @property
    def host(self) -> str:
        """The registry's host."""
        return self.registry.host

    @contextlib.asynccontextmanager
    async def get_blob(
        self,
        repository: str,
        digest: str,
        *,
        start: int | None = None,
        end: int | None = None,
        size: int,
    ) -> AsyncIterator[BlobStream]:
        """Opens a range of the window, always by a range of the layer.

        Raises:
            RangesRefused: the whole layer came instead, or nothing.
        """
        begin = self.offset + (start or 0)
        stop = self.offset + (size if end is None else end)
        opened = self.registry.get_blob(
            repository, self.layer.digest, start=begin, end=stop, size=self.layer.size
        )
        refused = RangesRefused(f"{self.host}: does not serve parts of blobs")
        async with contextlib.AsyncExitStack() as stack:
            try:
                stream = await stack.enter_async_context(opened)
            except RangeRefused as error:
                raise refused from error
            if stream.whole and (begin, stop) != (0, self.layer.size):
                raise refused
            yield stream

    def distrust_mirrors(self, digest: str) -> tuple[str, ...]:
        """Reads the layer from no mirror any more; returns those that sent bytes of it."""
        return self.registry.distrust_mirrors(self.layer.digest)


def registry_of(source: Source) -> Registry:
    """The registry that layers come from, whatever window there is on it."""
    return source.registry.registry if isinstance(source.registry, Window) else source.registry


async def read_paced(source: Source, layer: Descriptor, offset: int, length: int) -> bytes:
    """Reads a range of a layer at the pace of its source; as `read_range`."""
    limits, account = source.limits, source.arrivals.account
    held, where = 0.0, (registry_of(source), source.repository, layer)

    async def hold(count: int) -> None:
        nonlocal held
        if limits.rate is not None:
            held += await limits.rate.take(count)

    async with limits.unmeasured:
        begun = monotonic()
        try:
            data = await read_range(*where, offset, length, hold=hold)
        finally:
            took = monotonic() - begun
            account.add(begun, begun + took, {"network": took - held, "max-rate": held})
    source.arrivals.fetched += len(data)
    return data


async def read_range(
    registry: Registry,
    repository: str,
    layer: Descriptor,
    offset: int,
    length: int,
    *,
    hold: Callable[[int], Awaitable[None]] | None = None,
) -> bytes:
    """Reads a range of a layer, again where that may help; nothing is verified.

    Args:
        hold: awaited with the count of bytes whenever some have come.

    Raises:
        RangesRefused: the whole layer came instead.
        RegistryError, ConnectionFailed: as reading blobs does.
    """
    from kitfast.registry.retry import retrying

    window = Window(registry, layer, offset)

    async def once() -> bytes:
        got = bytearray()
        async with window.get_blob(repository, layer.digest, size=length) as stream:
            async for chunk in stream.chunks():
                got += chunk
                if hold is not None:
                    await hold(len(chunk))
        return bytes(got)

    return await retrying(once)
