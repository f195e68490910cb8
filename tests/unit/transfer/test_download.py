"""Downloads bring every byte once, in order, whatever the registry does on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from kitfast.errors import ConnectionFailed, NotInRegistry, ProtocolError, RegistryError
from kitfast.transfer import limits as limits_module
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, Patience
from kitfast.transfer.plan import MIB
from tests.support.memory import (
    MemoryBlob,
    MemoryLanding,
    MemoryRegistry,
    Request,
    random_blob,
)

QUICK = Patience(
    first_byte=0.6, stall=0.2, hedge=0.3, backoff=0.001, longest_backoff=0.01, attempts=4
)
BLOB = random_blob(6 * MIB + 77)


@pytest.fixture(autouse=True)
def forget_hosts() -> None:
    limits_module._without_ranges.clear()


def small_parts(**more: object) -> Limits:
    return Limits(part_size=MIB, patience=QUICK, **more)  # type: ignore[arg-type]


async def fetch(
    registry: MemoryRegistry, landing: MemoryLanding, limits: Limits | None = None
) -> list[int]:
    counts: list[int] = []
    await download(
        registry,
        "r",
        registry.blob,
        landing,
        limits=limits or small_parts(),
        on_bytes=counts.append,
    )
    return counts


async def hang(data: bytes = b"") -> AsyncIterator[bytes]:
    if data:
        yield data
    await asyncio.sleep(3600)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


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


async def test_a_broken_whole_stream_goes_on() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        return pieces(BLOB.data[: 2 * MIB]) if request.number == 0 else None

    registry = MemoryRegistry(BLOB, script, ignores_ranges=True)
    landing = MemoryLanding(BLOB.size)
    assert sum(await fetch(registry, landing)) == BLOB.size
    assert landing.holds(BLOB)
    assert registry.requests[1].start == 2 * MIB


async def test_everything_instead_of_a_range_after_ranges_worked_is_an_error() -> None:
    def script(request: Request, registry: MemoryRegistry) -> None:
        registry.ignores_ranges = request.number >= 3

    with pytest.raises(ProtocolError, match="although ranges had worked"):
        await fetch(MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size))


async def test_more_bytes_than_asked_for_are_an_error_and_not_written() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        return pieces(bytes(MIB), b"x") if request.number == 1 else None

    landing = MemoryLanding(BLOB.size)
    with pytest.raises(ProtocolError, match="more bytes"):
        await fetch(MemoryRegistry(BLOB, script), landing)
    assert all(end - start <= MIB for start, end in landing.writes)


async def test_a_short_body_is_asked_for_again_from_where_it_ended() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        if request.number == 2:
            return pieces(BLOB.data[request.low : request.low + 1000])
        return None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    await fetch(registry, landing)
    assert landing.holds(BLOB)
    broken = registry.requests[2]
    assert (broken.low + 1000, broken.high) in [(r.low, r.high) for r in registry.requests]


async def test_a_stall_reissues_the_rest_only() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        if request.number == 1:
            return hang(BLOB.data[request.low : request.low + 4096])
        return None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    limits = Limits(part_size=MIB, patience=Patience(stall=0.2, hedge=60, backoff=0.001))
    await fetch(registry, landing, limits)
    assert landing.holds(BLOB)
    stalled = registry.requests[1]
    assert (registry.requests[-1].low, registry.requests[-1].high) == (
        stalled.low + 4096,
        stalled.high,
    )


async def test_the_first_byte_may_take_longer_than_a_stall() -> None:
    async def late() -> AsyncIterator[bytes]:
        yield BLOB.data

    class Slow(MemoryRegistry):
        def get_blob(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            inner = super().get_blob(*args, **kwargs)  # type: ignore[arg-type]

            class Waiting:
                async def __aenter__(self) -> object:
                    await asyncio.sleep(0.4)
                    return await inner.__aenter__()

                async def __aexit__(self, *error: object) -> object:
                    return await inner.__aexit__(*error)  # type: ignore[arg-type]

            return Waiting()

    registry, landing = Slow(BLOB), MemoryLanding(BLOB.size)
    limits = Limits(ranges=False, patience=QUICK)
    await fetch(registry, landing, limits)
    assert len(registry.requests) == 1


async def test_the_slow_last_part_is_hedged() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        if request.number == 5:
            return hang(BLOB.data[request.low : request.low + 10_000])
        return None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    patience = Patience(stall=60, hedge=0.1)
    begun = time.monotonic()
    counts = await fetch(registry, landing, Limits(part_size=MIB, patience=patience))
    assert time.monotonic() - begun < 5
    assert landing.holds(BLOB) and sum(counts) == BLOB.size
    assert registry.requests[6].low == registry.requests[5].low + 10_000


async def test_a_hedge_that_fails_does_not_end_the_download() -> None:
    release = asyncio.Event()

    async def slow(request: Request) -> AsyncIterator[bytes]:
        await release.wait()
        yield BLOB.data[request.low : request.high]

    def script(
        request: Request, registry: MemoryRegistry
    ) -> AsyncIterator[bytes] | Exception | None:
        if request.number == 5:
            return slow(request)
        if request.number == 6:
            asyncio.get_running_loop().call_later(0.1, release.set)
            return ConnectionFailed("no", transient=True)
        return None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    await fetch(registry, landing, Limits(part_size=MIB, patience=Patience(stall=60, hedge=0.1)))
    assert landing.holds(BLOB) and len(registry.requests) == 7


async def test_transient_failures_are_tried_again() -> None:
    def script(request: Request, registry: MemoryRegistry) -> Exception | None:
        if request.number % 2 == 0:
            return RegistryError("busy", status=503, transient=True)
        return None

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    limits = small_parts()
    await fetch(registry, landing, limits)
    assert landing.holds(BLOB)
    assert limits.connections.width < 8


async def test_a_server_that_drips_and_hangs_up_is_given_up_in_the_end() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes]:
        return pieces(BLOB.data[request.low : request.low + 1])

    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    with pytest.raises(ConnectionFailed) as caught:
        await fetch(registry, landing)
    error = caught.value
    assert "registry.test/r" in str(error) and BLOB.digest in str(error)
    assert f"of {BLOB.size} bytes" in str(error)
    assert error.hint is not None and "goes on from there" in error.hint
    assert (error.size, error.done) == (BLOB.size, landing.received)  # type: ignore[attr-defined]


async def test_giving_up_keeps_the_kind_and_status_of_a_refusal() -> None:
    def script(request: Request, registry: MemoryRegistry) -> Exception:
        return RegistryError("broken", status=500, transient=True)

    with pytest.raises(RegistryError, match="gave up") as caught:
        await fetch(MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size))
    assert caught.value.status == 500


async def test_a_final_failure_ends_everything_at_once() -> None:
    def script(
        request: Request, registry: MemoryRegistry
    ) -> AsyncIterator[bytes] | Exception | None:
        if request.number == 3:
            return NotInRegistry("gone", status=404)
        return hang() if request.number else None

    registry = MemoryRegistry(BLOB, script)
    with pytest.raises(NotInRegistry):
        await asyncio.wait_for(fetch(registry, MemoryLanding(BLOB.size)), 1)
    assert registry.open_now == 0


async def test_a_full_disk_ends_the_download_with_its_own_error() -> None:
    class Full(MemoryLanding):
        def write(self, offset: int, data: bytes) -> None:
            if offset >= 3 * MIB:
                raise OSError(28, "No space left on device")
            super().write(offset, data)

    with pytest.raises(OSError, match="No space left"):
        await fetch(MemoryRegistry(BLOB), Full(BLOB.size))


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
    assert time.monotonic() - begun < 1
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
