"""Eight processes pull one kit into one home: its bytes cross the network once."""

from __future__ import annotations

from pathlib import Path

from tests.support import folders
from tests.support.commands import Kitfast, wait
from tests.support.faults import Fault, FaultyRegistry, always

PROCESSES = 8
SIZE = 6 << 20


def test_every_byte_comes_once(kitfast: Kitfast, other: Kitfast, tmp_path: Path) -> None:
    source = folders.shards(tmp_path / "source", 2, SIZE)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, reference, "--plain-http")
        pushed = len(registry.of("manifest"))
        # Slow enough that all of them are at it while the first one fetches.
        registry.script = always(Fault(stall_at=1000, stall=0.5))
        words = ("pull", reference, "--plain-http", "--part-size", "1MiB", "--connections", "2")
        children = [other.start(*words) for _ in range(PROCESSES)]
        for child in children:
            wait(child)
        assert [child.returncode for child in children] == [0] * PROCESSES
        sent = {digest: registry.sent[digest] for digest in registry.blobs}
        layers = {digest: len(data) for digest, data in registry.blobs.items() if len(data) > 4096}
        assert len(layers) >= 1 and sum(layers.values()) > 2 * SIZE
        assert {digest: sent[digest] for digest in layers} == layers
        assert len(registry.of("manifest")) - pushed == PROCESSES
    other.run("unpack", reference, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)
