"""Moves blobs between real registries and the real store and folders."""

from __future__ import annotations

import asyncio
import hashlib
import io
import secrets
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, nth
from tests.support.memory import MemoryBlob, random_blob
from tests.support.registries import Running, plain_registry
from tests.support.shelf import MemoryShelf

from kitfast._core import Landing, Store, Target
from kitfast.errors import DigestMismatch
from kitfast.registry import Credentials, Registry
from kitfast.registry.serve import Server
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, forget_hosts
from kitfast.transfer.plan import MIB
from kitfast.transfer.upload import upload

__all__ = ["plain_registry"]

BLOB = random_blob(20 * MIB + 12345, seed=11)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "home"))


@pytest.fixture(params=["distribution", "kitfast"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registry]:
    """Distribution 2.8, then our own server, with the same tests."""
    forget_hosts()
    if request.param == "distribution":
        running: Running = request.getfixturevalue("plain_registry")
        async with opened(running.host) as found:
            yield found
    else:
        async with (
            Server(MemoryShelf(), tmp_path / "uploads") as server,
            opened(server.host) as found,
        ):
            yield found


@pytest.fixture
def repository() -> str:
    return f"test/{secrets.token_hex(8)}"


def opened(host: str) -> Registry:
    return Registry(host, Network(plain_http=True), Credentials(environ={}))


def tar_of(*sizes: int) -> MemoryBlob:
    """A tar of files of these sizes, as a blob."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"shards/{number}.bin")
            member.size = size
            tar.addfile(member, io.BytesIO(random_blob(size, seed=number).data))
    return MemoryBlob(buffer.getvalue())


def parts() -> Limits:
    return Limits(part_size=MIB)


async def land(registry: Registry, repository: str, blob: MemoryBlob, landing: Landing) -> int:
    counts: list[int] = []
    await download(registry, repository, blob, landing, limits=parts(), on_bytes=counts.append)
    await asyncio.to_thread(landing.finish)
    return sum(counts)


async def test_there_and_back_through_the_store(
    registry: Registry, repository: str, store: Store, tmp_path: Path
) -> None:
    counts: list[int] = []
    sent = await upload(
        registry, repository, BLOB, BLOB, limits=parts(), on_bytes=counts.append, chunk=4 * MIB
    )
    assert (sent.how, sum(counts)) == ("sent", BLOB.size)
    landing = Landing.into_store(store, BLOB.digest, BLOB.size, "whole")
    assert await land(registry, repository, BLOB, landing) == BLOB.size
    held = store.blob(BLOB.digest)
    again = await upload(registry, repository, BLOB, held, limits=parts())
    assert again.how == "present"
    elsewhere = f"{repository}-copy"
    mounted = await upload(registry, elsewhere, BLOB, held, limits=parts(), mount_from=repository)
    assert mounted.how == "mounted"
    other = random_blob(5 * MIB, seed=5)
    store.put(other.data)
    assert (
        await upload(registry, repository, other, store.blob(other.digest), limits=parts())
    ).sent


async def test_a_tar_is_unpacked_from_the_registry_while_it_arrives(
    registry: Registry, repository: str, tmp_path: Path
) -> None:
    sizes = (3 * MIB + 5, 10, 7 * MIB, 0, 4 * MIB - 1)
    blob = tar_of(*sizes)
    await upload(registry, repository, blob, blob, limits=parts())
    target = Target(str(tmp_path / "out"))
    landing = Landing.into_target(target, blob.digest, blob.size, "tar")
    await land(registry, repository, blob, landing)
    target.finish()
    for number, size in enumerate(sizes):
        data = (tmp_path / "out" / "shards" / f"{number}.bin").read_bytes()
        assert hashlib.sha256(data).digest() == random_blob(size, seed=number).sha256


async def test_many_blobs_side_by_side(registry: Registry, repository: str, store: Store) -> None:
    blobs = [random_blob(3 * MIB + seed, seed=seed) for seed in range(8)]
    limits = parts()
    await asyncio.gather(
        *(upload(registry, repository, blob, blob, limits=limits) for blob in blobs)
    )

    async def one(blob: MemoryBlob) -> None:
        landing = Landing.into_store(store, blob.digest, blob.size, "whole")
        await download(registry, repository, blob, landing, limits=limits)
        await asyncio.to_thread(landing.finish)

    await asyncio.gather(*(one(blob) for blob in blobs))
    assert all(store.size(blob.digest) == blob.size for blob in blobs)


async def test_a_cancelled_download_goes_on_where_it_was(store: Store) -> None:
    forget_hosts()
    stall = {number: Fault(stall_at=100_000) for number in range(8, 40)}
    with FaultyRegistry(BLOB, script=nth("blob", stall)) as source:
        async with opened(source.host) as registry:
            landing = Landing.into_store(store, BLOB.digest, BLOB.size, "whole")
            task = asyncio.create_task(download(registry, "r", BLOB, landing, limits=parts()))
            while landing.received < 8 * MIB:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            kept = landing.received
            landing.keep()
            source.script = lambda seen: None
            landing = Landing.into_store(store, BLOB.digest, BLOB.size, "whole")
            assert landing.reused == kept
            assert await land(registry, "r", BLOB, landing) == BLOB.size - kept
    assert store.size(BLOB.digest) == BLOB.size


async def test_one_flipped_bit_is_found_and_nothing_is_kept(store: Store, tmp_path: Path) -> None:
    forget_hosts()

    def script(seen: Seen) -> Fault | None:
        return Fault(flip_at=77) if seen.kind == "blob" and seen.number == 3 else None

    target = Target(str(tmp_path / "out"))
    with FaultyRegistry(BLOB, script=script) as source:
        async with opened(source.host) as registry:
            landing = Landing.into_target(target, BLOB.digest, BLOB.size, "whole", "w.bin")
            with pytest.raises(DigestMismatch):
                await land(registry, "r", BLOB, landing)
    target.finish()
    assert list((tmp_path / "out").iterdir()) == []
