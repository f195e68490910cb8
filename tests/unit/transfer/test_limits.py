"""The budget is one for all, remembers hosts, and fits the machine's memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.memory import MemoryUploads, random_blob

from kitfast import _core
from kitfast.errors import InvalidArgument
from kitfast.modelkit.remote import limits_for
from kitfast.settings import Network
from kitfast.transfer import limits as limits_module
from kitfast.transfer.limits import Limits, Patience, forget_hosts, shared
from kitfast.transfer.plan import LARGEST_PART, MIB
from kitfast.transfer.upload import upload


async def test_transfers_with_the_same_settings_share_one_budget() -> None:
    one = shared(connections=8, blobs=5, part_size=None)
    assert shared(connections=8, blobs=5, part_size=None) is one
    assert shared(connections=4, blobs=5, part_size=None) is not one


@pytest.mark.parametrize(
    ("connections", "most", "ranges"),
    [(None, 32, True), (1, 1, False), (4, 4, True), (8, 8, True), (48, 48, True)],
)
def test_a_number_that_is_given_is_a_ceiling_and_one_means_plain_streams(
    connections: int | None, most: int, ranges: bool
) -> None:
    limits = Limits(connections=connections)
    assert limits.most_connections == most
    assert limits.has_ranges("new.test") is ranges


def test_a_host_without_ranges_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_hosts()
    Limits().lacks_ranges("old.test")
    assert not Limits().has_ranges("old.test") and Limits().has_ranges("other.test")
    monkeypatch.setattr(limits_module, "REMEMBER_SECONDS", -1.0)
    assert Limits().has_ranges("old.test")
    forget_hosts()


def test_refusals_and_failures_narrow_the_gate() -> None:
    limits = Limits(cores=16)
    limits.refused()
    assert limits.connections.width == 4
    limits.failed()
    assert limits.connections.width == 3


@pytest.mark.parametrize(
    ("ahead", "rate", "expected"),
    [
        (1024 * MIB, 600 * MIB, 300 * MIB),
        (1024 * MIB, 4000 * MIB, 512 * MIB),
        (128 * MIB, 600 * MIB, 64 * MIB),
        (1024 * MIB, 10 * MIB, LARGEST_PART),
    ],
)
async def test_a_lone_fast_connection_is_asked_for_half_a_second(
    monkeypatch: pytest.MonkeyPatch, ahead: int, rate: int, expected: int
) -> None:
    now = 100.0
    monkeypatch.setattr(limits_module, "monotonic", lambda: now)
    limits = Limits(cores=2, bytes_ahead=ahead)
    assert limits.largest_part == LARGEST_PART, "before anything is known"

    async def one_more() -> None:
        async with limits.connections:
            pass

    async with limits.connections:
        waiting = asyncio.create_task(one_more())
        await asyncio.sleep(0)
        limits.answered("fast.test", 0.001)
        now += 0.125
        limits.received(rate // 8)
        assert limits.largest_part == expected
    await waiting


async def test_few_fast_connections_share_out_what_may_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(limits_module, "monotonic", lambda: now)
    limits = Limits(cores=2)

    async def one() -> None:
        async with limits.downloads, limits.connections:
            await asyncio.Event().wait()

    blobs = [asyncio.create_task(one()) for _ in range(5)]
    await asyncio.sleep(0)
    assert (limits.connections.width, limits.sharing, limits.largest_part) == (1, 1, LARGEST_PART)
    limits.answered("fast.test", 0.001)
    now += 0.125
    limits.received(75 * MIB)
    assert (limits.connections.width, limits.sharing) == (4, 1)
    assert limits.largest_part == 128 * MIB, "four times as much is what may be ahead"
    for blob in blobs:
        blob.cancel()
    await asyncio.wait(blobs)
    assert limits.sharing == 4, "one blob would have them all"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(None, 1024 * MIB), (1024 * MIB, 256 * MIB), (100 * MIB, 64 * MIB), (1 << 50, 1024 * MIB)],
)
def test_the_byte_budget_follows_the_memory_limit(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, expected: int
) -> None:
    monkeypatch.setattr(limits_module, "memory_limit", lambda: limit)
    assert Limits().bytes_ahead == expected


def test_the_lag_of_all_blobs_counts() -> None:
    limits = Limits(bytes_ahead=100)
    limits.report_lag("one", 60)
    limits.report_lag("two", 50)
    assert limits.bytes_free == -10
    limits.report_lag("one", 0)
    assert limits.bytes_free == 50


async def test_uploads_come_back_to_their_number_after_one_was_lost() -> None:
    limits = Limits(blobs=4, patience=Patience(backoff=0.001))
    limits.upload_lost()
    for _ in range(3):
        limits.failed()
    assert limits.unmeasured.width == 5
    for seed in range(3):
        blob = random_blob(1000, seed=seed)
        await upload(MemoryUploads(), "r", blob, blob, limits=limits)
    assert (limits.uploads.width, limits.unmeasured.width) == (4, 8)


async def test_uploads_are_as_many_as_was_asked_for_on_few_cores() -> None:
    limits = Limits(connections=8, blobs=4, cores=2)
    assert limits.connections.width == 1
    sending, most = 0, 0

    class Counting(MemoryUploads):
        async def start_upload(self, *args: Any, **more: Any) -> Any:
            session = await super().start_upload(*args, **more)
            assert session is not None
            put = session.put

            async def counted(*args: Any, **more: Any) -> None:
                nonlocal sending, most
                sending += 1
                most = max(most, sending)
                await put(*args, **more)
                sending -= 1

            session.put = counted  # type: ignore[method-assign]
            return session

    blobs = [random_blob(3 * MIB, seed=seed) for seed in range(6)]
    sink = Counting()
    await asyncio.gather(*[upload(sink, "r", one, one, limits=limits) for one in blobs])
    assert most == 4 and len(sink.blobs) == 6


def test_what_is_not_measured_shrinks_and_grows_with_the_rest() -> None:
    limits = Limits(cores=2)
    assert limits.unmeasured.width == 8
    limits.refused()
    assert (limits.connections.width, limits.unmeasured.width) == (1, 4)
    limits.failed()
    assert (limits.connections.width, limits.unmeasured.width) == (1, 3)
    assert Limits(connections=1).unmeasured.width == 1


async def test_workers_stand_for_cores() -> None:
    try:
        limits = limits_for(Network(workers=12))
        assert limits.connections.width == 6 and limits is not limits_for(Network())
    finally:
        _core.use_cores(0)
    with pytest.raises(InvalidArgument, match="workers is 0"):
        Network(workers=0)
