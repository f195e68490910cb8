"""What held a transfer back, told by transfers that are held back on purpose."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, always
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, PART, small_parts

from kitfast import _core
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network
from kitfast.transfer.account import Account, Flow
from kitfast.transfer.download import download
from kitfast.transfer.ends import Arrival
from kitfast.transfer.limits import Limits, forget_hosts
from kitfast.transfer.upload import upload


async def held_back(
    source: FaultyRegistry, landing: Arrival | None = None, limits: Limits | None = None
) -> Flow:
    """Downloads `BLOB` and sums up."""
    forget_hosts()
    account, landing = Account(), landing or MemoryLanding(BLOB.size)
    limits = limits or small_parts(connections=2, most_connections=2)
    async with Registry(source.host, Network(plain_http=True), Credentials(environ={})) as registry:
        await download(registry, "r", BLOB, landing, limits=limits, account=account)
    assert not landing.missing()
    return account.flow(layers=1, moved=BLOB.size)


async def test_slow_answers_are_the_registrys() -> None:
    with FaultyRegistry(BLOB, script=always(Fault(wait=0.1))) as source:
        flow = await held_back(source)
    assert flow.held_back_by == "registry" and flow.share > 0.5
    assert flow.rate == pytest.approx(BLOB.size / flow.seconds, rel=0.01)


@pytest.mark.parametrize("max_rate", [None, 1 << 30], ids=["lent sockets", "our own"])
async def test_slow_bodies_are_the_networks(tmp_path: Path, max_rate: int | None) -> None:
    limits = small_parts(connections=2, most_connections=2, max_rate=max_rate)
    landing = _core.Landing.into_store(_core.Store(tmp_path), BLOB.digest, BLOB.size, "whole")
    with FaultyRegistry(BLOB, script=always(Fault(stall_at=PART // 2, stall=0.15))) as source:
        flow = await held_back(source, landing, limits)
    landing.finish()
    assert flow.held_back_by == "network" and flow.share > 0.5


class SlowDisk(MemoryLanding):
    """Takes its time for every write."""

    def write(self, offset: int, data: bytes) -> None:
        time.sleep(0.02)
        super().write(offset, data)


async def test_slow_writes_are_the_disks() -> None:
    # A rate nobody reaches keeps the bytes on this side of the core.
    limits = small_parts(connections=2, most_connections=2, max_rate=1 << 30)
    with FaultyRegistry(BLOB) as source:
        flow = await held_back(source, SlowDisk(BLOB.size), limits)
    assert flow.held_back_by == "disk" and flow.share > 0.4


class LaggingHash(MemoryLanding):
    """Has hashed nothing for half a second whenever bytes have come."""

    since = 0.0

    def write(self, offset: int, data: bytes) -> None:
        super().write(offset, data)
        self.since = time.monotonic()

    @property
    def hashed(self) -> int:
        return self.received if time.monotonic() - self.since > 0.3 else 0


async def test_a_full_budget_of_unhashed_bytes_is_the_hashs() -> None:
    limits = small_parts(connections=2, most_connections=2, bytes_ahead=2 * PART)
    slow = always(Fault(wait=0.05))
    with FaultyRegistry(BLOB, script=slow) as source:
        flow = await held_back(source, LaggingHash(BLOB.size), limits)
    assert flow.shares["hash"] > 0.2


async def test_a_rate_that_was_set_is_named() -> None:
    limits = small_parts(max_rate=4 * BLOB.size)
    with FaultyRegistry(BLOB) as source:
        flow = await held_back(source, limits=limits)
    assert flow.held_back_by == "max-rate" and flow.share > 0.5


async def test_an_upload_waits_for_the_registry_that_takes_it() -> None:
    begun = time.monotonic()
    account, limits = Account(), small_parts(max_rate=4 * BLOB.size)
    with FaultyRegistry() as sink:
        network = Network(plain_http=True)
        async with Registry(sink.host, network, Credentials(environ={})) as registry:
            await upload(registry, "r", BLOB, BLOB, limits=limits, account=account)
        assert sink.blobs[BLOB.digest] == BLOB.data
    flow = account.flow(layers=1, moved=BLOB.size)
    assert flow.held_back_by == "max-rate" and flow.shares["registry"] > 0
    # It is told in whole milliseconds.
    assert 0.2 < flow.seconds <= time.monotonic() - begun + 0.001


@pytest.mark.parametrize(("landing", "width"), [(SlowDisk, 2), (MemoryLanding, 4)])
async def test_a_slow_disk_gets_fewer_connections(landing: type[MemoryLanding], width: int) -> None:
    limits = small_parts(connections=4, max_rate=1 << 30)
    with FaultyRegistry(BLOB) as source:
        await held_back(source, landing(BLOB.size), limits)
    assert limits.connections.width == width
