"""Downloads survive, or name, whatever a registry and its network do on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from tests.support.memory import (
    QUICK,
    MemoryLanding,
    MemoryRegistry,
    Request,
    fetch,
    hang,
    pieces,
    random_blob,
    small_parts,
)

from kitfast.errors import ConnectionFailed, NotInRegistry, ProtocolError, RegistryError
from kitfast.transfer import download, pace, plan
from kitfast.transfer.limits import Limits, Patience, forget_hosts
from kitfast.transfer.plan import MIB

BLOB = random_blob(6 * MIB + 77)


@pytest.fixture(autouse=True)
def know_no_host() -> None:
    forget_hosts()


async def test_a_broken_whole_stream_goes_on() -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        return pieces(BLOB.data[: 2 * MIB]) if request.number == 0 else None

    registry = MemoryRegistry(BLOB, script, ignores_ranges=True)
    landing = MemoryLanding(BLOB.size)
    assert sum(await fetch(registry, landing)) == BLOB.size
    assert landing.holds(BLOB)
    assert registry.requests[1].start == 2 * MIB


async def test_everything_instead_of_a_range_after_ranges_worked_ends_in_one_stream() -> None:
    def script(request: Request, registry: MemoryRegistry) -> None:
        registry.ignores_ranges = request.number >= 3

    landing = MemoryLanding(BLOB.size)
    assert sum(await fetch(MemoryRegistry(BLOB, script), landing)) == BLOB.size
    assert landing.holds(BLOB)


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
    assert time.monotonic() - begun < 20
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
    assert error.size == BLOB.size and 0 < error.done <= landing.received  # type: ignore[attr-defined]


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


@pytest.mark.parametrize("how", ["breaks", "hangs"])
async def test_a_long_part_in_trouble_is_shared_out(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    most = MIB

    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        nonlocal most
        # What comes next is asked of a link that outruns the machine, until it is in trouble.
        most = 8 * MIB if request.number == 0 else MIB
        if request.number != 1:
            return None
        begin = BLOB.data[request.low : request.low + 10_000]
        return pieces(begin) if how == "breaks" else hang(begin)

    monkeypatch.setattr(Limits, "largest_part", property(lambda limits: most))
    monkeypatch.setattr(download, "LARGEST_PART", MIB)
    monkeypatch.setattr(download, "SMALLEST_PART", MIB)
    monkeypatch.setattr(plan, "SMALLEST_PART", MIB)
    monkeypatch.setattr(pace, "FAST", 1)
    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    limits = Limits(cores=2, patience=Patience(stall=60, hedge=0.1, backoff=0.001))
    assert sum(await asyncio.wait_for(fetch(registry, landing, limits), 10)) == BLOB.size
    assert landing.holds(BLOB)
    _, long, *after = registry.requests
    assert (long.low, long.high) == (MIB, BLOB.size)
    assert len(after) == 5
    assert sum(one.high - one.low for one in after) == BLOB.size - MIB - 10_000


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_blob_that_is_one_long_part_is_shared_out_when_it_slows_down(
    monkeypatch: pytest.MonkeyPatch, ranges: bool
) -> None:
    def script(request: Request, registry: MemoryRegistry) -> AsyncIterator[bytes] | None:
        return hang(BLOB.data[:10_000]) if request.number == 0 and ranges else None

    monkeypatch.setattr(Limits, "largest_part", 8 * MIB)
    monkeypatch.setattr(download, "LARGEST_PART", MIB)
    monkeypatch.setattr(download, "SMALLEST_PART", MIB)
    registry = MemoryRegistry(BLOB, script, ignores_ranges=not ranges)
    landing = MemoryLanding(BLOB.size)
    limits = Limits(cores=2, patience=Patience(stall=60, hedge=0.1, backoff=0.001))
    assert sum(await asyncio.wait_for(fetch(registry, landing, limits), 10)) == BLOB.size
    assert landing.holds(BLOB)
    assert registry.requests[0].high == BLOB.size
    assert len(registry.requests) > 1 if ranges else len(registry.requests) == 1
    assert limits.has_ranges(registry.host), "all of it says nothing of ranges"


async def test_a_long_probe_that_breaks_is_followed_by_one_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(request: Request, registry: MemoryRegistry) -> Exception | None:
        return ConnectionFailed("broke", transient=True) if request.number == 0 else None

    monkeypatch.setattr(Limits, "largest_part", 8 * MIB)
    monkeypatch.setattr(download, "LARGEST_PART", MIB)
    monkeypatch.setattr(download, "SMALLEST_PART", MIB)
    registry = MemoryRegistry(BLOB, script, ignores_ranges=True)
    landing = MemoryLanding(BLOB.size)
    await fetch(registry, landing, Limits(cores=16, patience=Patience(backoff=0.001)))
    assert landing.holds(BLOB)
    assert len(registry.requests) == 2


async def test_one_part_in_trouble_does_not_hold_up_what_a_lone_connection_brings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(request: Request, registry: MemoryRegistry) -> Exception | None:
        broke = ConnectionFailed("broke", transient=True)
        return broke if request.number == 1 else None

    monkeypatch.setattr(pace, "FAST", 1)
    registry, landing = MemoryRegistry(BLOB, script), MemoryLanding(BLOB.size)
    limits = Limits(cores=2, part_size=MIB, patience=Patience(backoff=1.0))
    await fetch(registry, landing, limits)
    assert landing.holds(BLOB)
    assert registry.requests[-1].low == registry.requests[1].low
    assert limits.connections.width == 1
