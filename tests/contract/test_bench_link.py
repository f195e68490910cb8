"""`bench REFERENCE` reads the kit's largest layer, in one stream and in ranges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen
from tests.support.memory import MemoryBlob, random_blob
from tests.support.registries import Running, plain_registry

from kitfast import aio, errors
from kitfast.modelkit import link
from kitfast.oci.descriptor import Descriptor
from kitfast.progress import Progress, Reporter
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network

__all__ = ["plain_registry"]

MIB = 1 << 20
PLAIN = Network(plain_http=True, connections=3, part_size=MIB)
BLOB = random_blob(5 * MIB + 77, seed=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.bin").write_bytes(BLOB.data)
    (folder / "README.md").write_text("small\n")
    text = 'manifestVersion: "1.0"\nmodel: {path: model.bin}\ndocs: [{path: README.md}]\n'
    (folder / "Kitfile").write_text(text)
    return folder


async def test_the_largest_layer_is_read_twice(
    folder: Path, tmp_path: Path, plain_registry: Running
) -> None:
    reference = f"{plain_registry.host}/bench/{tmp_path.name}:v1"
    home = tmp_path / "home"
    pushed = await aio.push(folder, reference, home=home, network=PLAIN)
    events: list[Progress] = []
    found = await aio.bench(
        reference, folder=tmp_path, size=MIB, home=home, network=PLAIN, progress=events.append
    )
    assert found.link is not None
    kit = await aio.inspect(reference, remote=True, home=home, network=PLAIN)
    largest = max(kit.manifest.layers, key=lambda layer: layer.size)
    assert (found.link.reference, found.link.digest) == (reference, largest.digest)
    assert (found.link.ranges, found.link.connections) == (True, 3)
    assert [one.name for one in found.link.rates] == ["one stream", "3 ranges side by side"]
    assert [one.size for one in found.link.rates] == [largest.size] * 2
    assert 0 < found.link.first_byte < 5
    assert pushed.digest == kit.digest
    finished = [event for event in events if event.finished and event.name == reference]
    assert [event.done for event in finished] == [2 * largest.size]


@pytest.fixture
def faulty(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(BLOB, script=request.param) as registry:
        yield registry


async def measured(registry: FaultyRegistry, home: Path, seconds: float) -> link.Link:
    async with Registry(registry.host, PLAIN, Credentials(home)) as client:
        descriptor = Descriptor("x/y", BLOB.digest, BLOB.size)
        layer = link.Layer(client, "a/b", descriptor)
        return await link.measure(layer, "kit", seconds, Reporter(None, "measure", "kit"))


def without_ranges(seen: Seen) -> Fault | None:
    return Fault(ignore_range=True)


def stalling(seen: Seen) -> Fault | None:
    """Stops in the middle of everything but the first bytes."""
    return Fault(stall_at=MIB // 2) if seen.end - seen.start > 1 or not seen.ranged else None


def refusing(seen: Seen) -> Fault | None:
    return Fault(status=404) if seen.number > link.FIRST_BYTES else None


@pytest.mark.parametrize("faulty", [without_ranges], indirect=True)
async def test_a_registry_without_ranges_has_one_stream(
    faulty: FaultyRegistry, tmp_path: Path
) -> None:
    found = await measured(faulty, tmp_path, 5)
    assert not found.ranges
    assert [(one.name, one.size) for one in found.rates] == [("one stream", BLOB.size)]


@pytest.mark.parametrize("faulty", [stalling], indirect=True)
async def test_time_is_bounded_whatever_the_link_does(
    faulty: FaultyRegistry, tmp_path: Path
) -> None:
    begun = time.monotonic()
    found = await measured(faulty, tmp_path, 0.5)
    assert 1.0 <= time.monotonic() - begun < 30
    one, ranges = found.rates
    assert 0 < one.size < BLOB.size
    assert 0 < ranges.size < BLOB.size
    assert ranges.seconds == pytest.approx(0.5, abs=0.4)


@pytest.mark.parametrize("faulty", [refusing], indirect=True)
async def test_a_refusal_is_told(faulty: FaultyRegistry, tmp_path: Path) -> None:
    with pytest.raises(errors.NotInRegistry):
        await measured(faulty, tmp_path, 5)


async def test_a_kit_that_is_not_there_is_told_before_the_disk_is_touched(
    tmp_path: Path, plain_registry: Running
) -> None:
    folder = tmp_path / "never"
    with pytest.raises(errors.NotInRegistry):
        await aio.bench(
            f"{plain_registry.host}/bench/none:v1", folder=folder, home=tmp_path, network=PLAIN
        )
    assert not folder.exists()


def test_parts_cover_the_blob_and_give_every_connection_some() -> None:
    for size, most, connections in ((1, 10, 4), (100, 10, 3), (100, 1000, 3), (7, 3, 7)):
        parts = list(link._parts(size, most, connections))
        assert parts[0][0] == 0
        assert parts[-1][1] == size
        assert all(one[1] == two[0] for one, two in pairwise(parts))
        assert all(0 < end - start <= most for start, end in parts)
        assert len(parts) >= min(size, connections)


EMPTY = MemoryBlob(b"")


@pytest.mark.parametrize("faulty", [None], indirect=True)
async def test_an_empty_layer_measures_nothing(faulty: FaultyRegistry, tmp_path: Path) -> None:
    async with Registry(faulty.host, PLAIN, Credentials(tmp_path)) as client:
        layer = link.Layer(client, "a/b", Descriptor("x/y", EMPTY.digest, 0))
        with pytest.raises(errors.InvalidArgument, match="no layer"):
            await link.measure(layer, "kit", 1, Reporter(None, "measure", "kit"))
