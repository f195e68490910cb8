"""A store survives kills, full disks, and several processes at once."""

from __future__ import annotations

import ctypes
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitfast import errors
from kitfast._core import LayerSource, Store, blake3_file

FILES = 6
PACK = """
import json, sys
from kitfast._core import LayerSource, Store
home, folder, count, compression = sys.argv[1:]
sources = [
    LayerSource([(f"{n}", f"{folder}/{n}", 0o644)], compression) for n in range(int(count))
]
print("ready", flush=True)
print(json.dumps([one.digest for one in Store(home).pack(sources, cache=False)]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    for n in range(FILES):
        (folder / str(n)).write_bytes(random.Random(n).randbytes(1_500_000 + n))
    return folder


def start(home: Path, folder: Path, compression: str = "none") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PACK, str(home), str(folder), str(FILES), compression]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def answer(process: subprocess.Popen[str]) -> list[str]:
    # Not communicate(): it passes over what readline() has read ahead.
    assert process.stdout is not None
    with process.stdout as stdout:
        out = stdout.read()
    assert process.wait(timeout=60) == 0
    return list(json.loads(out.splitlines()[-1]))


def check(home: Path) -> None:
    """Everything under a final name is whole."""
    store = Store(home)
    assert store.verify_all(store.digests()) == []
    for path in (home / "contents").glob("[0-9a-f][0-9a-f]/*"):
        assert blake3_file(str(path)) == f"blake3:{path.name}"


def test_killed_at_any_moment_it_leaves_only_whole_things(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    whole = answer(start(tmp_path / "reference", folder))
    again = start(tmp_path / "timing", folder)
    ready(again)
    begun = time.monotonic()
    answer(again)
    span = time.monotonic() - begun
    random.seed(7)
    left_a_temporary_file = False
    for n in range(12):
        process = start(home, folder, "gzip-fastest" if n % 4 == 3 else "none")
        ready(process)
        time.sleep(random.uniform(0, span))
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        process.stdout.close()
        process.wait()
        check(home)
        left_a_temporary_file |= any(home.rglob(".tmp-*"))
    store = Store(home)
    store.prune(store.digests())
    assert not list(home.rglob(".tmp-*"))
    assert answer(start(home, folder)) == whole
    check(home)


def test_two_processes_pack_the_same_while_a_third_prunes(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    first, second = start(home, folder), start(home, folder)
    store = Store(home)
    ready(first)
    ready(second)
    store.prune(store.digests)
    assert answer(first) == answer(second)
    check(home)
    assert len(store.digests()) == FILES


def test_a_file_that_may_not_grow_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    limit = 1_000_000

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    home = tmp_path / "home"
    command = [sys.executable, "-c", PACK, str(home), str(folder), str(FILES), "none"]
    done = subprocess.run(command, preexec_fn=confine, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FileError" in done.stderr
    assert Store(home).digests() == []
    assert not list(home.rglob(".tmp-*"))
    check(home)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 4 MiB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(mounted), b"tmpfs", 0, b"size=4m") != 0:
        pytest.skip("a small tmpfs cannot be mounted here")
    yield mounted
    assert libc.umount2(os.fsencode(mounted), 2) == 0


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_full_disk_is_said_and_nothing_is_left(
    small_disk: Path, folder: Path, compression: str
) -> None:
    home = small_disk / "home"
    sources = [
        LayerSource([(str(n), str(folder / str(n)), 0o644)], compression) for n in range(FILES)
    ]
    with pytest.raises(errors.NoSpace):
        Store(home).pack(sources)
    assert not list(home.rglob(".tmp-*"))
    check(home)


def test_a_clone_shares_blocks_where_the_file_system_can(tmp_path: Path, folder: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    mounted = tmp_path / "xfs"
    mounted.mkdir()
    make = ["mkfs.xfs", "-q", "-m", "reflink=1", str(image)]
    mount = ["mount", "-o", "loop", str(image), str(mounted)]
    try:
        ready = all(
            subprocess.run(command, capture_output=True, check=False).returncode == 0
            for command in (make, mount)
        )
    except FileNotFoundError:
        ready = False
    if not ready:
        pytest.skip("no XFS with reflinks can be mounted here")
    try:
        source = mounted / "w"
        source.write_bytes(random.Random(1).randbytes(100 << 20))
        before = os.statvfs(mounted).f_bfree
        store = Store(mounted / "home")
        layer = store.pack([LayerSource([("w", str(source), 0o644)])])[0]
        store.verify(layer.digest)
        taken = (before - os.statvfs(mounted).f_bfree) * os.statvfs(mounted).f_bsize
        assert taken < 10 << 20
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
