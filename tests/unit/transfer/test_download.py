"""Downloads bring every byte once and in order, within their budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from tests.support.memory import (
    MemoryBlob,
    MemoryLanding,
    MemoryRegistry,
    Request,
    fetch,
    hang,
    random_blob,
    small_parts,
)

from kitfast.transfer.account import Account
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, forget_hosts
from kitfast.transfer.plan import MIB

BLOB = random_blob(6 * MIB + 77)


@pytest.fixture(autouse=True)
def know_no_host() -> None:
    forget_hosts()


async def test_all_parts_come_in_order_and_are_counted_once() -> None:
    registry, landing = MemoryRegistry(BLOB), MemoryLanding(BLOB.size)
    counts = await fetch(registry, landing)
    assert landing.holds(BLOB)
    assert sum(counts) == BLOB.size
    starts = [request.low for request in registry.requests]
    assert starts == sorted(starts) and len(starts) == 6
    assert registry.most_open > 1


async def test_a_small_blob_is_one_request_without_a_range() -> None:
    blob = random_blob(1000)
    registry, landing = MemoryRegistry(blob), MemoryLanding(blob.size)
    await fetch(registry, landing)
    assert [(request.start, request.end) for request in registry.requests] == [(None, None)]


async def test_nothing_missing_asks_for_nothing() -> None:
    registry, landing = MemoryRegistry(BLOB), MemoryLanding(BLOB.size)
    landing.write(0, BLOB.data)
    assert await fetch(registry, landing) == [] and registry.requests == []


async def test_only_what_is_missing_is_asked_for() -> None:
    registry, landing = MemoryRegistry(BLOB), MemoryLanding(BLOB.size)
    landing.write(MIB, BLOB.data[MIB : 5 * MIB])
    counts = await fetch(registry, landing)
    assert landing.holds(BLOB) and sum(counts) == BLOB.size - 4 * MIB
    assert all(r.high <= MIB or r.low >= 5 * MIB for r in registry.requests)


async def test_nothing_else_is_asked_before_the_probe_is_answered() -> None:
    answer = asyncio.Event()

    async def late(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes]:
        async for chunk in registry.slices(request.low, request.high):
            yield chunk

    registry, landing = MemoryRegistry(BLOB), MemoryLanding(BLOB.size)
    original = registry.get_blob

    def gated(*args: object, **kwargs: object) -> object:
        inner = original(*args, **kwargs)  # type: ignore[arg-type]

        class Waiting:
            async def __aenter__(self) -> object:
                await answer.wait()
                return await inner.__aenter__()

            async def __aexit__(self, *error: object) -> object:
                return await inner.__aexit__(*error)  # type: ignore[arg-type]

        asked.append(1)
        return Waiting()

    asked: list[int] = []
    registry.get_blob = gated  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(fetch(registry, landing))
    await asyncio.sleep(0.1)
    assert len(asked) == 1
    answer.set()
    await task
    assert landing.holds(BLOB) and len(asked) == 6


async def test_wanted_headers_are_fetched_on_their_own() -> None:
    headers = [(4 * MIB, 512), (5 * MIB + 7, 512)]
    registry, landing = MemoryRegistry(BLOB), MemoryLanding(BLOB.size, headers)
    await fetch(registry, landing, small_parts(connections=2))
    asked = [(request.low, request.high) for request in registry.requests]
    assert asked.index((4 * MIB, 4 * MIB + 512)) == 1
    assert (5 * MIB + 7, 5 * MIB + 519) in asked[:4]
    assert landing.holds(BLOB)


async def test_an_answer_with_everything_means_one_stream_and_is_remembered() -> None:
    limits = small_parts()
    registry = MemoryRegistry(BLOB, ignores_ranges=True)
    landing = MemoryLanding(BLOB.size)
    counts = await fetch(registry, landing, limits)
    assert landing.holds(BLOB) and sum(counts) == BLOB.size
    assert len(registry.requests) == 1 and not limits.has_ranges(registry.host)
    landing = MemoryLanding(BLOB.size)
    await fetch(registry, landing, limits)
    assert registry.requests[1].start is None and len(registry.requests) == 2


async def test_cancelling_ends_every_task_at_once_and_writes_no_more() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        return hang(BLOB.data[request.low : request.low + 10]) if request.number else None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    before = asyncio.all_tasks()
    limits = Limits(part_size=MIB)
    task = asyncio.create_task(fetch(registry, landing, limits))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 10, "it would stall for thirty seconds"
    assert asyncio.all_tasks() == before
    assert (registry.open_now, limits.connections.inside, limits.downloads.inside) == (0, 0, 0)
    assert limits.bytes_free == limits.bytes_ahead


async def test_a_slow_disk_does_not_block_the_loop() -> None:
    class SlowDisk(MemoryLanding):
        def write(self, offset: int, data: bytes) -> None:
            time.sleep(0.03)
            super().write(offset, data)

    longest, stop = 0.0, asyncio.Event()

    async def measure() -> None:
        nonlocal longest
        while not stop.is_set():
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - begun)

    watch = asyncio.create_task(measure())
    landing = SlowDisk(BLOB.size)
    await fetch(MemoryRegistry(BLOB), landing, small_parts(connections=1, most_connections=1))
    stop.set()
    await watch
    assert landing.holds(BLOB)
    assert longest < 0.06


async def test_a_lagging_hash_holds_new_parts_back_but_never_stops_a_blob() -> None:
    landing = MemoryLanding(BLOB.size)
    landing.hash_lags = True
    registry = MemoryRegistry(BLOB)
    await fetch(registry, landing, small_parts(bytes_ahead=2 * MIB))
    assert landing.holds(BLOB)
    assert registry.most_open <= 2


async def test_a_long_wait_for_the_hash_is_one_entry_in_the_account() -> None:
    async def slow(data: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(data), MIB // 8):
            await asyncio.sleep(0.05)
            yield data[at : at + MIB // 8]

    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes]:
        return slow(BLOB.data[request.low : request.high])

    landing, registry, account = MemoryLanding(BLOB.size), MemoryRegistry(BLOB, script), Account()
    landing.hash_lags = True
    limits = small_parts(bytes_ahead=MIB)
    await download(registry, "r", BLOB, landing, limits=limits, account=account)
    assert landing.holds(BLOB)
    assert account.flow(layers=1, moved=1).held_back_by == "hash"
    assert len(account._spans) <= 4 * len(registry.requests)


async def test_blobs_take_turns_at_the_connections() -> None:
    limits = small_parts(connections=2, most_connections=2)
    one, two = MemoryRegistry(BLOB), MemoryRegistry(random_blob(6 * MIB, seed=2))
    order: list[str] = []
    one.script = lambda request, registry: order.append("one")  # type: ignore[func-returns-value]
    two.script = lambda request, registry: order.append("two")  # type: ignore[func-returns-value]
    await asyncio.gather(
        fetch(one, MemoryLanding(BLOB.size), limits),
        fetch(two, MemoryLanding(two.blob.size), limits),
    )
    assert {"one", "two"} == set(order[:3]) == set(order[-4:])


async def test_connections_stay_within_the_budget() -> None:
    limits = small_parts(connections=3, most_connections=3)
    registry = MemoryRegistry(MemoryBlob(BLOB.data * 2))
    await fetch(registry, MemoryLanding(registry.blob.size), limits)
    assert registry.most_open == 3
