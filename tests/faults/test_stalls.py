"""Stalls before, in and at the end of a body, and cancelling in the middle of one."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.faults import Fault, FaultyRegistry, Script, always, nth
from tests.support.memory import MemoryLanding, random_blob
from tests.support.pulls import BLOB, PART, pull, small_parts

from kitfast.errors import ConnectionFailed
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, Patience, forget_hosts


async def test_a_stall_before_the_first_byte_of_a_later_part() -> None:
    with FaultyRegistry(BLOB, script=nth("blob", {4: Fault(wait=3600)})) as source:
        done = await pull(source)
    assert done.is_right() and done.seconds < 20
    stalled, again = source.of("blob")[4], source.of("blob")[-1]
    assert (again.start, again.end) == (stalled.start, stalled.end)


async def test_a_slow_first_answer_is_waited_for() -> None:
    with FaultyRegistry(BLOB, script=nth("blob", {0: Fault(wait=1.0)})) as source:
        done = await pull(source)
    assert done.is_right() and done.seconds >= 1.0 and len(source.of("blob")) == 8


@pytest.mark.parametrize("share", [0.5, 0.99])
async def test_a_stall_in_a_body_reissues_the_rest_of_that_part(share: float) -> None:
    at = int(PART * share)
    with FaultyRegistry(BLOB, script=nth("blob", {3: Fault(stall_at=at)})) as source:
        done = await pull(source)
    assert done.is_right() and done.seconds < 20
    stalled, again = source.of("blob")[3], source.of("blob")[-1]
    assert again.start == stalled.start + at and again.end == stalled.end


async def test_the_last_part_at_99_percent_is_hedged_long_before_the_stall_limit() -> None:
    patience = Patience(stall=60.0, hedge=0.3)
    with FaultyRegistry(BLOB, script=nth("blob", {7: Fault(stall_at=PART - 2000)})) as source:
        done = await pull(source, limits=small_parts(patience))
    assert done.is_right() and done.seconds < 20
    slow, hedge = source.of("blob")[7], source.of("blob")[8]
    assert slow.start < hedge.start and hedge.end == slow.end


async def test_one_stream_that_stalls_is_taken_up_again() -> None:
    fault = Fault(ignore_range=True, stall_at=300_000)
    with FaultyRegistry(BLOB, script=nth("blob", {0: fault})) as source:
        assert (await pull(source)).is_right()


async def test_a_registry_that_always_stalls_is_given_up() -> None:
    with (
        FaultyRegistry(BLOB, script=always(Fault(stall_at=10))) as source,
        pytest.raises(ConnectionFailed, match="no bytes for"),
    ):
        await pull(source, limits=small_parts(Patience(stall=0.1, backoff=0.01, attempts=3)))


async def test_cancelling_amid_stalls_ends_at_once() -> None:
    landing = MemoryLanding(BLOB.size)
    limits = small_parts(Patience())
    with FaultyRegistry(BLOB, script=always(Fault(stall_at=1000))) as source:
        before = asyncio.all_tasks()
        task = asyncio.create_task(pull(source, into=landing, limits=limits))
        while landing.received < 1000:
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun < 10, "it would stall for thirty seconds"
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
    assert limits.connections.inside == 0


SMALL = random_blob(PART // 2, seed=9)


async def small_after_another(script: Script, patience: Patience) -> tuple[float, FaultyRegistry]:
    """Fetches a blob, and then a small one, by the same budget; returns the second's seconds."""
    forget_hosts()
    limits = Limits(part_size=PART, patience=patience, connections=2, most_connections=2)
    with FaultyRegistry(BLOB, SMALL, script=script) as source:
        network = Network(plain_http=True)
        async with Registry(source.host, network, Credentials(environ={})) as registry:
            await download(registry, "r", BLOB, MemoryLanding(BLOB.size), limits=limits)
            begun, landing = time.monotonic(), MemoryLanding(SMALL.size)
            await download(registry, "r", SMALL, landing, limits=limits)
            took = time.monotonic() - begun
    assert landing.holds(SMALL)
    return took, source


async def test_a_small_blob_that_is_not_answered_stalls_as_any_part_does() -> None:
    patience = Patience(first_byte=60, stall=0.5, hedge=60, backoff=0.01)
    took, source = await small_after_another(nth("blob", {8: Fault(wait=30)}), patience)
    assert took < 20 and len(source.of("blob")) == 10


async def test_a_small_blob_that_is_not_answered_is_asked_for_twice() -> None:
    patience = Patience(first_byte=60, stall=60, hedge=0.2, backoff=0.01)
    took, source = await small_after_another(nth("blob", {8: Fault(wait=30)}), patience)
    # The second request waits a second for what the first one may find out.
    assert took < 20 and len(source.of("blob")) == 10


async def test_the_first_blob_of_a_host_is_given_a_caches_time() -> None:
    patience = Patience(first_byte=60, stall=0.3, hedge=0.1, backoff=0.01)
    limits = Limits(part_size=BLOB.size, patience=patience)
    with FaultyRegistry(BLOB, script=nth("blob", {0: Fault(wait=1.5)})) as source:
        done = await pull(source, limits=limits)
    assert done.is_right() and len(source.of("blob")) == 1
