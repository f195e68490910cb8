"""Packing and verifying: kitfast beside kit and the limits of the machine.

    python benches/pack.py [--case NAME]… [--scale 0.25] [--rounds 5] [--folder DIR]

Cases: reflink, shards, one, again, zstd, verify. Every round takes each program in turn,
into a store of its own; the first round only warms up. Ratios are of medians, of wall time
and of CPU seconds beside it: the second is worth something on a busy machine too. kit is
looked for on PATH and in $KITFAST_PEERS.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cases
import loop
import text
from cases import KITFAST, MIB, Case, Skipped, Way, command
from measure import Cost, run
from models import MODELS, make

import kitfast

HASH = "import sys; from kitfast import _core; _core.sha256_files(sys.argv[1:])"
#: BLAKE3 names what is in the store: with SHA-256 it is all that a pack must compute.
HASH_BOTH = f"""{HASH}
from concurrent.futures import ThreadPoolExecutor
list(ThreadPoolExecutor().map(_core.blake3_file, sys.argv[1:]))"""


def pack_kitfast(source: Path, *flags: str) -> Way:
    words = (KITFAST, "pack", str(source), "--no-cache", "--progress", "none", *flags)
    return Way("kitfast", lambda home: run([*words, "--config", str(home)]))


def pack_kit(source: Path, *flags: str) -> Way:
    words = (cases.kit(), "pack", str(source), "-t", "localhost/bench:1", "--progress", "none")
    return Way("kit", lambda home: run([*words, *flags, "--config", str(home)]))


def hashing(name: str, program: str, source: Path) -> Way:
    """All cores hash the same files, and do nothing else with them."""
    paths = sorted(str(path) for path in source.glob("*.bin"))
    return command(name, sys.executable, "-c", program, *paths)


def in_process(work: Callable[[], object]) -> Cost:
    """Counts a call in this process: no start of Python in it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, 0, 0, 0, 0)


@contextmanager
def reflink(folder: Path, scale: float) -> Iterator[Case]:
    size = 8 * max(MIB, int(512 * scale) * MIB)
    try:
        with loop.mounted(folder, size + size // 8 + 300 * MIB) as disk:
            source = disk / "model"
            make(MODELS["shards"], source, scale)
            fast = pack_kitfast(source)
            there = Way("kitfast", lambda _: _on_disk(disk, fast))
            title = "pack, eight shards, nothing to copy (reflink on XFS)"
            alone = hashing("hashing alone", HASH, source)
            both = hashing("SHA-256 and BLAKE3 alone", HASH_BOTH, source)
            yield Case("reflink", title, {"hashing alone": 0.85}, size, [there, alone, both])
    except loop.NoLoop as why:
        raise Skipped(str(why)) from None


def _on_disk(disk: Path, way: Way) -> Cost:
    """A clone stays on its file system, so the store must be there too."""
    home = disk / "home"
    try:
        return way.do(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def shards(folder: Path, scale: float) -> Iterator[Case]:
    yield _copying("shards", "pack, eight shards, copying", 3.0, folder, scale)


@contextmanager
def one(folder: Path, scale: float) -> Iterator[Case]:
    yield _copying("one", "pack, one file, copying", 1.3, folder, scale)


def _copying(name: str, title: str, bar: float, folder: Path, scale: float) -> Case:
    source = folder / "model"
    make(MODELS[name], source, scale)
    size = sum(path.stat().st_size for path in source.glob("*.bin"))
    ways = [
        pack_kitfast(source),
        pack_kit(source),
        Way("cp alone", lambda home: run(["cp", "-r", str(source), str(home)])),
        hashing("SHA-256 and BLAKE3 alone", HASH_BOTH, source),
    ]
    return Case(name, title, {"kit": bar}, size, ways)


@contextmanager
def again(folder: Path, scale: float) -> Iterator[Case]:
    source, home = folder / "model", folder / "store"
    make(MODELS["shards"], source, scale)
    size = sum(path.stat().st_size for path in source.glob("*.bin"))
    # A file as young as the clock is coarse may change unseen: it is not remembered.
    time.sleep(3)
    kitfast.pack(source, home=home)
    ways = [
        Way("nothing changed", lambda _: in_process(lambda: kitfast.pack(source, home=home))),
        Way("the first time", lambda new: in_process(lambda: kitfast.pack(source, home=new))),
    ]
    yield Case("again", "pack again, nothing changed", {"the first time": 100}, size, ways)


@contextmanager
def zstd(folder: Path, scale: float) -> Iterator[Case]:
    source, size = folder / "model", max(MIB, int(2048 * scale) * MIB)
    text.make(source, size)
    ways = [
        pack_kitfast(source, "--compression", "zstd"),
        pack_kit(source, "--compression", "gzip-fastest"),
    ]
    title = "pack --compression zstd of text, against kit's gzip-fastest"
    yield Case("zstd", title, {"kit": 4.0}, size, ways, smaller=True)


@contextmanager
def verify(folder: Path, scale: float) -> Iterator[Case]:
    source, home = folder / "model", folder / "store"
    make(MODELS["shards"], source, scale)
    files = sorted(source.glob("*.bin"))
    pack_kitfast(source).do(home)
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Skipped("openssl is not on PATH")
    check = (KITFAST, "cache", "verify", "--progress", "none", "--config", str(home))
    ways = [
        command("kitfast", *check),
        command("openssl", openssl, "dgst", "-sha256", *map(str, files)),
    ]
    size = sum(path.stat().st_size for path in files)
    yield Case("verify", "verify a store of eight layers", {"openssl": 2.5}, size, ways)


CASES = {case.__name__: case for case in (reflink, shards, one, again, zstd, verify)}

if __name__ == "__main__":
    cases.main("pack", "Packing and verifying", __doc__, CASES)
