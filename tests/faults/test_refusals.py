"""Registries that are busy, broken or gone for a while."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, always, nth
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, PART, QUICK, pull, small_parts

from kitfast.errors import NotInRegistry, RegistryError
from kitfast.transfer.limits import Limits, Patience


async def test_429_with_retry_after_is_waited_for_and_uses_fewer_connections() -> None:
    busy = Fault(status=429, headers={"Retry-After": "1"})
    with FaultyRegistry(BLOB, script=nth("blob", {2: busy})) as source:
        done = await pull(source)
    assert done.is_right() and done.seconds >= 1.0
    assert done.limits is not None and done.limits.connections.width == 4


async def test_429_without_retry_after_is_tried_again() -> None:
    with FaultyRegistry(BLOB, script=nth("blob", {1: Fault(status=429)})) as source:
        done = await pull(source)
    assert done.is_right() and done.seconds < 10
    assert done.limits is not None and done.limits.connections.width == 4


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_storm_that_ends_is_survived(status: int) -> None:
    storm = {number: Fault(status=status) for number in range(2, 12)}
    with FaultyRegistry(BLOB, script=nth("blob", storm)) as source:
        assert (await pull(source)).is_right()


async def test_a_storm_does_not_run_through_the_whole_plan() -> None:
    def script(seen: Seen) -> Fault | None:
        return Fault(status=500) if seen.kind == "blob" and seen.number else None

    limits = Limits(part_size=PART // 8, patience=Patience(backoff=5.0), cores=16)
    with FaultyRegistry(BLOB, script=script) as source:
        task = asyncio.create_task(pull(source, limits=limits))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The eight that were under way wait with their parts; of the 64 hardly more are asked.
        assert len({seen.start for seen in source.of("blob")}) <= 12


async def test_a_storm_that_never_ends_is_given_up_with_its_status() -> None:
    landing = MemoryLanding(BLOB.size)
    with (
        FaultyRegistry(BLOB, script=always(Fault(status=500))) as source,
        pytest.raises(RegistryError, match="gave up") as caught,
    ):
        await pull(source, into=landing)
    assert caught.value.status == 500 and len(source.of("blob")) == QUICK.attempts


async def test_404_is_final() -> None:
    with (
        FaultyRegistry(BLOB, script=nth("blob", {3: Fault(status=404)})) as source,
        pytest.raises(NotInRegistry),
    ):
        await pull(source)


async def test_a_registry_that_restarts_in_the_middle() -> None:
    landing = MemoryLanding(BLOB.size)
    slow = {number: Fault(stall_at=1000, stall=0.2) for number in range(1, 8)}
    with FaultyRegistry(BLOB, script=nth("blob", slow)) as source:
        patience = Patience(stall=2.0, backoff=0.1)
        task = asyncio.create_task(pull(source, into=landing, limits=small_parts(patience)))
        while len(source.of("blob")) < 4:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(source.refuse_connections, 0.5)
        done = await task
    assert done.is_right()
