"""Kill -9 while single files of a layer come: none is half there, and it goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.support.commands import Kitfast, wait
from tests.support.killing import kill_often, wait_for_journals
from tests.support.registries import Running, plain_registry
from tests.support.slow import slowed

__all__ = ["plain_registry"]

SIZES = {"w/a": 9 << 20, "w/b": 12 << 20, "w/c": 30 << 20, "w/small.json": 20_000}
WANTED = ["w/a", "w/b", "w/small.json"]
KITFILE = "manifestVersion: 1.0.0\nmodel: {path: w}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, size in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(size))
    (folder / "Kitfile").write_text(KITFILE)
    return folder


def test_single_files_go_on_after_kills(
    kitfast: Kitfast, other: Kitfast, tmp_path: Path, source: Path, plain_registry: Running
) -> None:
    out = tmp_path / "out"

    def nothing_is_half_there() -> None:
        for path in (out / "w").glob("*"):
            assert path.read_bytes() == (source / "w" / path.name).read_bytes()

    # Slow enough that no run comes to its end before it is killed.
    with slowed(plain_registry.host, 2.5e6) as host:
        # Packed under the slow name: the reference says where it is unpacked from.
        reference = f"{host}/killed/files:v1"
        kitfast.run("pack", source, "--tag", reference)
        kitfast.run("push", reference, f"{plain_registry.host}/killed/files:v1", "--plain-http")
        words = ("unpack", reference, "--plain-http", "--dir", out, "--exclude", "w/c")
        words += ("--exclude", "Kitfile", "--part-size", "1MiB")
        child = other.start(*words)
        wait_for_journals(out, 3)
        os.kill(child.pid, signal.SIGKILL)
        wait(child)
        assert child.returncode == -signal.SIGKILL
        nothing_is_half_there()
        kill_often(other, words, times=3, longest_seconds=2, check=nothing_is_half_there)
        done = json.loads(other.run(*words, "--format", "json").stdout)
    assert (done["verified"], done["files"]) == ("file", len(WANTED))
    assert done["reused"] > 1 << 20
    assert done["fetched"] < sum(SIZES[name] for name in WANTED)
    nothing_is_half_there()
    assert sorted(p.name for p in (out / "w").iterdir()) == ["a", "b", "small.json"]
    assert not list(out.glob(".kitfast-*"))
