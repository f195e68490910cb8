"""Unpacking from the store and the registry: kitfast beside kit and cp.

    python benches/unpack.py [--case NAME]… [--scale 0.25] [--rounds 5] [--folder DIR]

Cases: xfs and ext4 unpack a kit of eight shards from the local store on a file system of
that kind, on a loop device; remote is measured by benches/versus. Every round takes each
program in turn, into a folder of its own. kit is looked for on PATH and in $KITFAST_PEERS.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cases
import loop
from cases import KITFAST, MIB, Case, Skipped, Way
from measure import Cost, run
from models import MODELS, make

REFERENCE = "localhost/bench:1"
QUIET = ("--progress", "none", "--config")


@contextmanager
def xfs(folder: Path, scale: float) -> Iterator[Case]:
    with _disk("xfs", folder, scale) as (disk, size):
        ways = [_program(KITFAST, "kitfast", disk), _program(cases.kit(), "kit", disk)]
        yield Case("xfs", "unpack of a stored kit, XFS with reflinks", {"kit": 20}, size, ways)


@contextmanager
def ext4(folder: Path, scale: float) -> Iterator[Case]:
    with _disk("ext4", folder, scale) as (disk, size):
        ways = [_program(KITFAST, "kitfast", disk), _program(cases.kit(), "kit", disk)]
        copying = Way("cp", lambda _: _into(disk, ["cp", "-r", str(disk / "model")]))
        bars = {"kit": 1.5, "cp": 1.0}
        yield Case("ext4", "unpack of a stored kit, ext4", bars, size, [*ways, copying])


@contextmanager
def _disk(kind: str, folder: Path, scale: float) -> Iterator[tuple[Path, int]]:
    """A disk with a model on it; its bytes. Each program's store is there once it has packed."""
    size = 8 * max(MIB, int(512 * scale) * MIB)
    try:
        # The model, two stores and what is unpacked.
        with loop.mounted(folder, 4 * size + size // 4 + 300 * MIB, kind) as disk:
            make(MODELS["shards"], disk / "model", scale)
            yield disk, size
    except loop.NoLoop as why:
        raise Skipped(str(why)) from None


def _program(path: str, name: str, disk: Path) -> Way:
    """Packs once; the way unpacks."""
    home = str(disk / f"store-{name}")
    run([path, "pack", str(disk / "model"), "-t", REFERENCE, *QUIET, home])
    return Way(name, lambda _: _into(disk, [path, "unpack", REFERENCE, *QUIET, home, "-d"]))


def _into(disk: Path, words: list[str]) -> Cost:
    out = disk / "out"
    try:
        return run([*words, str(out)])
    finally:
        shutil.rmtree(out, ignore_errors=True)


CASES = {case.__name__: case for case in (xfs, ext4)}

if __name__ == "__main__":
    cases.main("unpack", "Unpacking from the store", __doc__, CASES)
