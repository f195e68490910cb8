"""Unpacking far more than there is memory: under a limit, and without one.

    python benches/limited.py --folder DIR [--scale 0.1] [--rounds 1]

At scale 1 a kit of 20 GiB is unpacked from a registry on the same disk under a limit of
1 GiB, page cache included; all ends when it is on the disk. DIR must not be a tmpfs, whose
files are memory. kit is looked for on PATH and in $KITFAST_PEERS.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cases
import pytest
from cases import KITFAST, MIB, Case, Skipped, Way
from links import loopback
from measure import Cost, Failed, run
from models import Model, make
from tests.support.cgroups import memory_limit

SHARDS = Model("shards", 8, 2560 * MIB)
LIMIT = 1024 * MIB


@contextmanager
def limited(folder: Path, scale: float) -> Iterator[Case]:
    kit, source, registry = cases.kit(), folder / "model", folder / "served"
    (registry / "registry").mkdir(parents=True)
    make(SHARDS, source, scale)
    size = sum(path.stat().st_size for path in source.glob("*.bin"))
    limit = int(LIMIT * scale)
    with loopback(registry) as link:
        reference = f"{link.host}/bench/model:v1"
        flags = ["--plain-http", "--progress", "none", "--config", str(folder / "config")]
        words = [KITFAST, "push", str(source), reference, *flags]
        subprocess.run(words, check=True, capture_output=True)
        shutil.rmtree(source)
        out = folder / "out"
        unpack = ["unpack", reference, "-d", str(out), *flags]
        ours, theirs = [KITFAST, *unpack], [kit, *unpack]
        ways = [
            Way("kitfast", lambda _: _unpacked(ours, out, limit)),
            Way("kitfast, no limit", lambda _: _unpacked(ours, out, None)),
            Way("kit", lambda _: _unpacked(theirs, out, limit)),
        ]
        title = f"unpack from a registry, all memory at most {limit // MIB} MiB"
        yield Case("limited", title, {"kitfast, no limit": 0.8, "kit": 1.0}, size, ways)


def _unpacked(words: list[str], out: Path, limit: int | None) -> Cost:
    """Unpacks and waits for the disk; what the kernel kills for want of memory has failed."""
    try:
        with memory_limit(limit) as group:
            enter = f'echo $$ > {group.members} && exec "$@"'
            costs = [run(["sh", "-c", enter, "sh", *words]), run(["sync", "-f", str(out)])]
            if group.kills():
                raise Failed(f"{words[0]}: killed for want of memory")
        return Cost.total(costs, written=costs[0].written)
    except pytest.skip.Exception as why:
        raise Skipped(str(why)) from None
    finally:
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    cases.main("limited", "Little memory", __doc__, {"limited": limited})
