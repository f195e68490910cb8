"""A landing killed at any point goes on, and ends with the right bytes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import dying
from tests.support.hostile import END, digest, entries, member

from kitfast._core import Store, Target

ROUNDS = 12
DATA = random.Random(7)
FILES = {
    "config.json": DATA.randbytes(900),
    "shards/1.bin": DATA.randbytes(3_000_000),
    "shards/2.bin": DATA.randbytes(2_000_000),
    "tokenizer.json": DATA.randbytes(50_000),
    "many": DATA.randbytes(70_000),
}
TAR = b"".join(member(name.encode(), data) for name, data in FILES.items()) + END


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, dying.__file__, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def ends_well(*words: str) -> None:
    child = start(*words)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0, said.decode()


@pytest.mark.parametrize("sink", ["store", "target"])
@pytest.mark.parametrize("shape", ["tar", "whole"])
def test_kill_at_any_point(tmp_path: Path, sink: str, shape: str) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(TAR)
    folder = tmp_path / "folder"
    words = (sink, str(folder), str(blob), shape)
    done = tmp_path / "blob.done"
    began = time.monotonic()
    ends_well(sink, str(tmp_path / "timing"), str(blob), shape, "0")
    longest = time.monotonic() - began
    done.unlink()
    chance = random.Random(f"{sink} {shape}")
    for seed in range(1, ROUNDS + 1):
        child = start(*words, str(seed))
        # The first half of the run is Python's own start.
        time.sleep(longest * (0.4 + 0.6 * chance.random()))
        child.kill()
        _, said = child.communicate(timeout=60)
        assert child.returncode in (0, -9), said.decode()
        if sink == "target":
            assert_only_whole_files(folder, shape)
        if done.exists():
            break
    else:
        ends_well(*words, "last")
    if sink == "store":
        assert Store(folder).blob(digest(TAR)).read(0, len(TAR)) == TAR
        assert list((folder / "landing").iterdir()) == []
        return
    Target(folder).finish()
    expected = {"weights": TAR} if shape == "whole" else FILES
    found = {name: folder / name for name in entries(folder) if (folder / name).is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == expected


def assert_only_whole_files(folder: Path, shape: str) -> None:
    """Under a final name there is the right file or none, at any time."""
    expected = {"weights": TAR} if shape == "whole" else FILES
    for name, data in expected.items():
        path = folder / name
        assert not path.exists() or path.read_bytes() == data
