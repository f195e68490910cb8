"""A landing killed at any point goes on, and ends with the right bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import dying
from tests.support.hostile import END, member

DATA = random.Random(7)
FILES = {
    "config.json": DATA.randbytes(900),
    "shards/1.bin": DATA.randbytes(3_000_000),
    "shards/2.bin": DATA.randbytes(2_000_000),
    "tokenizer.json": DATA.randbytes(50_000),
    "many": DATA.randbytes(70_000),
}
TAR = b"".join(member(name.encode(), data) for name, data in FILES.items()) + END


@pytest.mark.parametrize("sink", ["store", "target"])
@pytest.mark.parametrize("shape", ["tar", "whole"])
def test_kill_at_any_point(tmp_path: Path, sink: str, shape: str) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(TAR)
    words = [dying.__file__, sink, str(tmp_path / "folder"), str(blob), shape, "40"]
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("40 killed")
