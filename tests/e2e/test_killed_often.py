"""Kill -9 at random points of a pull: the bytes are right, and few cross twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, wait
from tests.support.faults import Fault, FaultyRegistry, always

PART = 256 << 10
CONNECTIONS = 4
# A part takes longer than the second between two journals: what is lost is one part of
# each connection at most.
PART_SECONDS = 1.2


@pytest.mark.parametrize(
    ("times", "size"),
    [(5, 8 << 20), pytest.param(50, 48 << 20, marks=pytest.mark.slow)],
    ids=["five", "fifty"],
)
def test_a_kill_costs_one_part_of_a_connection_at_most(
    kitfast: Kitfast, other: Kitfast, tmp_path: Path, times: int, size: int
) -> None:
    source = folders.shards(tmp_path / "source", 1, size)
    chance = random.Random(times)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, reference, "--plain-http")
        layer = max(registry.blobs, key=lambda digest: len(registry.blobs[digest]))
        registry.script = always(Fault(stall_at=PART // 2, stall=PART_SECONDS))
        words = ("pull", reference, "--plain-http", "--part-size", str(PART))
        words += ("--connections", str(CONNECTIONS))
        killed = 0
        for _ in range(times):
            child = other.start(*words)
            time.sleep(chance.uniform(0.3, 3.0))
            os.kill(child.pid, signal.SIGKILL)
            wait(child)
            assert child.returncode in (0, -signal.SIGKILL)
            killed += child.returncode != 0
        registry.script = lambda seen: None
        other.run(*words)
        twice = registry.sent[layer] - len(registry.blobs[layer])
    assert killed >= times // 2
    assert 0 <= twice <= killed * CONNECTIONS * PART
    other.run("unpack", reference, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)
