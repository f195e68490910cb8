"""Pushing a folder compressed: pack's digests, no copy, an end when told."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.faults import Fault, FaultyRegistry, nth
from tests.support.folders import awkward, shards, tree
from tests.support.registries import Running, plain_registry

from kitfast import aio, errors
from kitfast.progress import Progress
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("compression", "make"),
    [
        ("gzip", awkward),
        ("gzip-fastest", lambda folder: shards(folder, 2, 11 << 20)),
        ("zstd", lambda folder: shards(folder, 3, 13 << 20)),
    ],
)
async def test_the_digests_are_those_of_pack_and_push(
    compression: str,
    make: Callable[[Path], Path],
    tmp_path: Path,
    home: Path,
    plain_registry: Running,
) -> None:
    """Layers of several pieces, of one, and of almost nothing."""
    folder = make(tmp_path / "folder")
    before = tree(folder)
    here = f"{plain_registry.host}/squeezed/{tmp_path.name}"
    pushed = await aio.push(folder, f"{here}:v1", compression=compression, home=home, network=PLAIN)
    assert {path.name for path in home.glob("*")} <= {"cache"}
    other = tmp_path / "other"
    packed = await aio.pack(folder, tags=[f"{here}-2:v1"], compression=compression, home=other)
    again = await aio.push(f"{here}-2:v1", home=other, network=PLAIN)
    assert (pushed.digest, pushed.size) == (packed.digest, packed.size)
    assert (again.digest, again.size) == (pushed.digest, pushed.size)
    out = tmp_path / "out"
    got = await aio.unpack(f"{here}:v1", out, remote=True, home=home, network=PLAIN)
    assert got.digest == pushed.digest
    assert {name for name, what in tree(out).items() if not what.endswith("folder")} <= set(before)


async def test_what_was_pushed_or_packed_before_is_not_read_again(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 2, 10 << 20)
    target = f"{plain_registry.host}/squeezed/again:v1"
    # Younger files are not remembered: a change to them might not show.
    await asyncio.sleep(2.1)
    first = await aio.push(folder, target, compression="zstd", home=home, network=PLAIN)
    assert (first.sent, first.reused) == (first.size, 0)
    events: list[Progress] = []
    again = await aio.push(
        folder, target, compression="zstd", home=home, network=PLAIN, progress=events.append
    )
    assert (again.sent, again.reused, again.digest) == (0, first.size, first.digest)
    ends = [event for event in events if event.finished]
    assert len(ends) == again.layers
    assert all(event.reused == event.done == event.total for event in ends)
    # Elsewhere it is compressed once more.
    other = await aio.push(
        folder,
        f"{plain_registry.host}/squeezed/elsewhere:v1",
        compression="zstd",
        home=home,
        network=PLAIN,
    )
    assert (other.sent, other.digest) == (first.size, first.digest)
    # In another way, its digests are others.
    gzip = await aio.push(
        folder, target, compression="gzip-fastest", home=home, network=PLAIN, cache=False
    )
    assert gzip.sent == gzip.size and gzip.digest != first.digest


async def test_progress_counts_the_bytes_of_the_files(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 1, 1 << 20)
    (folder / "shards" / "some.txt").write_bytes(b"text of which little is left" * (1 << 20))
    events: list[Progress] = []
    pushed = await aio.push(
        folder,
        f"{plain_registry.host}/squeezed/progress:v1",
        compression="zstd",
        home=home,
        network=PLAIN,
        progress=events.append,
    )
    files = sum(path.stat().st_size for path in folder.rglob("*.*"))
    ends = {event.name: event for event in events if event.finished}
    assert sum(event.done for event in ends.values()) == files > 10 * pushed.sent
    assert all(event.total == event.done for event in ends.values())


async def test_a_connection_that_breaks_and_a_registry_without_chunks(
    tmp_path: Path, home: Path
) -> None:
    folder = shards(tmp_path / "folder", 3, 12 << 20)
    packed = await aio.pack(folder, compression="zstd", home=tmp_path / "other")
    broken = nth("patch", {0: Fault(keep=5_000_000, cut_at=0), 2: Fault(keep=1, cut_at=0)})
    with FaultyRegistry(script=broken) as registry:
        target = f"{registry.host}/r:v1"
        pushed = await aio.push(folder, target, compression="zstd", home=home, network=PLAIN)
        assert pushed.digest == packed.digest and packed.digest in registry.manifests
        assert len(registry.of("patch")) == 5
    with FaultyRegistry(script=nth("patch", {0: Fault(status=201)})) as registry:
        target = f"{registry.host}/r:v1"
        with pytest.raises(errors.InvalidArgument) as refused:
            await aio.push(folder, target, compression="zstd", home=home, network=PLAIN)
        assert "kitfast pack" in str(refused.value.hint)
        assert not registry.manifests


async def test_a_cancel_ends_the_compressing_at_once(tmp_path: Path, home: Path) -> None:
    folder = endless(tmp_path / "folder")
    with FaultyRegistry() as registry:
        pushing = asyncio.create_task(
            aio.push(folder, f"{registry.host}/r:v1", compression="zstd", home=home, network=PLAIN)
        )
        while not squeezing():
            assert not pushing.done()
            await asyncio.sleep(0.05)
        begun = time.monotonic()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
        assert time.monotonic() - begun < 10, "it would take a minute"
        assert not registry.manifests
    assert not squeezing()


@pytest.mark.parametrize("slow", [False, True])
def test_ctrl_c(tmp_path: Path, slow: bool) -> None:
    """While it compresses, and while compressed bytes wait to be sent."""
    folder = shards(tmp_path / "folder", 3, 20 << 20) if slow else endless(tmp_path / "folder")
    kitfast = Kitfast(tmp_path / "ours")
    with FaultyRegistry() as registry:
        command = ("push", folder, f"{registry.host}/r:v1", "--compression", "zstd")
        child = kitfast.start(*command, "--plain-http", *(["--max-rate", "1MB"] if slow else []))
        try:
            time.sleep(1.5)
            child.send_signal(signal.SIGINT)
            begun = time.monotonic()
            assert child.wait(20) == 130
            assert time.monotonic() - begun < 10
        finally:
            child.kill()
            child.wait()
        assert not registry.manifests
    assert {path.name for path in kitfast.home.glob("*")} <= {"cache"}


def endless(folder: Path) -> Path:
    """A folder that takes a minute to compress, to almost nothing."""
    shards(folder, 1, 10)
    with (folder / "shards" / "zeros").open("wb") as file:
        file.truncate(100 << 30)
    return folder


def squeezing() -> bool:
    """Whether a thread of this process compresses; those it has started have its name."""
    return any(
        path.read_text("utf-8") == "squeeze\n" for path in Path("/proc/self/task").glob("*/comm")
    )
