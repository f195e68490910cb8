"""Measures the link to a registry: first byte, one stream, ranges side by side."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitfast.errors import InvalidArgument
from kitfast.modelkit.ceilings import MIB, Rate, rate
from kitfast.oci.descriptor import Descriptor
from kitfast.progress import Reporter
from kitfast.transfer.limits import CONNECTIONS

if TYPE_CHECKING:
    from kitfast.registry.client import Registry

FIRST_BYTES = 5
#: Bytes of one ranged request where the network settings name none.
PART = 16 * MIB


@dataclass(frozen=True)
class Link:
    """What the link to a registry can do.

    Fields:
        digest: the layer that was read, the kit's largest.
        first_byte: seconds from a request to its first byte, on a connection that is
            open; the median of a few.
        ranges: the registry answers ranged requests with ranges.
        connections: how many ranges were asked for at a time.
        rates: one stream, and ranges side by side where it knows them.
    """

    reference: str
    digest: str
    first_byte: float
    ranges: bool
    connections: int
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Layer:
    """The blob that is read, and where it is."""

    registry: Registry
    repository: str
    blob: Descriptor


async def measure(layer: Layer, reference: str, seconds: float, progress: Reporter) -> Link:
    """Takes the measure of a link by reading a layer, twice at most; nothing is kept.

    Args:
        layer: what to read.
        reference: what the kit is called, for the result.
        seconds: how long each of the two readings may take.
        progress: counts the bytes that arrive.

    Raises:
        RegistryError, ConnectionFailed: the registry does not give the layer.
        InvalidArgument: the layer is empty.
    """
    if layer.blob.size == 0:
        raise InvalidArgument(f"{reference}: has no layer to read")
    network = layer.registry.network
    first_byte, ranges = await _first_byte(layer)
    streams = [_one_stream(layer, progress)]
    rates = [await _timed("one stream", streams, seconds, progress)]
    connections = network.connections or CONNECTIONS
    if ranges:
        parts = _parts(layer.blob.size, network.part_size or PART, connections)
        streams = [_ranges(layer, parts, progress) for _ in range(connections)]
        name = f"{connections} ranges side by side"
        rates.append(await _timed(name, streams, seconds, progress))
    return Link(reference, layer.blob.digest, first_byte, ranges, connections, tuple(rates))


async def _first_byte(layer: Layer) -> tuple[float, bool]:
    """Seconds to the first byte, and whether the registry knows ranges."""
    taken = []
    ranges = True
    # The first request finds the storage and opens the connection: it does not count.
    for _ in range(FIRST_BYTES + 1):
        start = time.perf_counter()
        async with layer.registry.get_blob(
            layer.repository, layer.blob.digest, start=0, end=1, size=layer.blob.size
        ) as stream:
            chunks = stream.chunks()
            await chunks.__anext__()
            taken.append(time.perf_counter() - start)
            ranges = ranges and not stream.whole
            await chunks.aclose()
    return round(statistics.median(taken[1:]), 6), ranges


async def _one_stream(layer: Layer, progress: Reporter) -> None:
    async with layer.registry.get_blob(
        layer.repository, layer.blob.digest, size=layer.blob.size
    ) as stream:
        async for chunk in stream.chunks():
            progress.add(len(chunk))


async def _ranges(layer: Layer, parts: Iterator[tuple[int, int]], progress: Reporter) -> None:
    for start, end in parts:
        async with layer.registry.get_blob(
            layer.repository, layer.blob.digest, start=start, end=end, size=layer.blob.size
        ) as stream:
            async for chunk in stream.chunks():
                progress.add(len(chunk))


def _parts(size: int, most: int, connections: int) -> Iterator[tuple[int, int]]:
    """The ranges of a blob: small enough that every connection gets some."""
    step = max(1, min(most, -(-size // connections)))
    return ((at, min(at + step, size)) for at in range(0, size, step))


async def _timed(
    name: str, streams: list[Coroutine[Any, Any, None]], seconds: float, progress: Reporter
) -> Rate:
    """Reads until all has come or the time is over.

    Raises:
        what the first stream failed with, once the others have ended.
    """
    before, start = progress.done, time.perf_counter()
    tasks = [asyncio.ensure_future(stream) for stream in streams]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        took = time.perf_counter() - start
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return rate(name, progress.done - before, took)
