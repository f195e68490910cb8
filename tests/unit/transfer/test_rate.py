"""A highest rate: kept by all connections together, with no burst after a pause."""

from __future__ import annotations

import asyncio
import time

from tests.support.memory import MemoryLanding, MemoryRegistry, fetch, random_blob, small_parts

from kitfast.transfer.plan import MIB
from kitfast.transfer.rate import Bucket

BLOB = random_blob(4 * MIB, seed=5)


async def test_what_passes_is_paced() -> None:
    bucket, begun = Bucket(1000), time.monotonic()
    for _ in range(5):
        await bucket.take(100)
    assert 0.5 <= time.monotonic() - begun < 5


async def test_those_side_by_side_share_it_in_turn() -> None:
    bucket, begun, order = Bucket(1000), time.monotonic(), []

    async def one(number: int) -> None:
        await bucket.take(100)
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]
    assert 0.5 <= time.monotonic() - begun < 5


async def test_a_pause_saves_nothing_up() -> None:
    bucket = Bucket(1000)
    await asyncio.sleep(0.4)
    begun = time.monotonic()
    waited = await bucket.take(200)
    assert 0.2 <= waited <= time.monotonic() - begun + 0.001


async def test_a_download_keeps_to_it_and_takes_it_for_no_stall() -> None:
    # Four connections at 2 MiB/s: each waits longer for its turn than the stall limit.
    registry = MemoryRegistry(BLOB, slice_bytes=MIB)
    limits = small_parts(connections=4, most_connections=4, max_rate=2 * MIB)
    landing, begun = MemoryLanding(BLOB.size), time.monotonic()
    await fetch(registry, landing, limits)
    assert landing.holds(BLOB) and len(registry.requests) == 4
    assert 2.0 <= time.monotonic() - begun < 10
