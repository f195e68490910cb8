"""A disk that is too small, or fills up: told, nothing lost, goes on later."""

from __future__ import annotations

import gzip
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from tests.support.hostile import END, digest, member

from kitfast._core import Landing, Store, Target
from kitfast.errors import NoSpace

MIB = 1 << 20
BIG = random.Random(1).randbytes(6 * MIB)
TAR = member(b"big", BIG) + member(b"small", b"x") + END


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
    else:
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(16 * MIB)
        made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True)
        if made.returncode:
            pytest.skip("a small ext4 needs mkfs.ext4")
        mount = ["mount", "-o", "loop", str(image), str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("shape", ["whole", "tar"])
def test_no_room_is_told_before_the_bytes(disk: Path, shape: str) -> None:
    size = 64 * MIB
    header = member(b"big")[:124] + b"%011o\0" % (size - 512) + member(b"big")[136:]
    header = header[:148] + b" " * 8 + header[156:]
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    target = Target(disk / "root")
    with pytest.raises(NoSpace):
        name = "weights" if shape == "whole" else None
        landing = Landing.into_target(target, digest(b""), size, shape, name)
        landing.write(0, header)


@pytest.mark.parametrize("shape", ["tar+gzip", "tar+zstd"])
def test_what_is_decoded_needs_room_once(disk: Path, shape: str) -> None:
    large = random.Random(2).randbytes(9 * MIB)
    tar = member(b"large", large) + member(b"small", b"x") + END
    blob = gzip.compress(tar, 1) if shape == "tar+gzip" else zstandard.compress(tar, 1)
    target = Target(disk / "root")
    landing = Landing.into_target(target, digest(blob), len(blob), shape)
    for at in range(0, len(blob), MIB):
        landing.write(at, blob[at : at + MIB])
    landing.finish()
    target.finish()
    assert (disk / "root/large").read_bytes() == large
    assert [path.name for path in sorted((disk / "root").iterdir())] == ["large", "small"]


def test_full_meanwhile_then_freed(disk: Path) -> None:
    filler = disk / "filler"
    store = Store(disk / "store")
    landing = Landing.into_store(store, digest(TAR), len(TAR), "tar")
    with filler.open("wb") as file, pytest.raises(NoSpace):
        # Everything that is left; even a reserved file needs blocks for its journal.
        while True:
            try:
                file.write(bytes(64 * 1024))
                file.flush()
            except OSError:
                break
        for at in range(0, len(TAR), MIB):
            landing.write(at, TAR[at : at + MIB])
        landing.keep()
    filler.unlink()
    landing.keep()
    again = Landing.into_store(store, digest(TAR), len(TAR), "tar")
    for start, end in again.missing():
        again.write(start, TAR[start:end])
    again.finish()
    assert store.blob(digest(TAR)).read(0, len(TAR)) == TAR
