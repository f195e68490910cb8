"""Ranges that are read of a registry keep to the rate that is set for it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.support.faults import FaultyRegistry

import kitfast
from kitfast.settings import Network

SIZE = 2 << 20
RATE = 4 << 20


@pytest.mark.parametrize("piece", [-1, SIZE, SIZE // 8], ids=["all", "at once", "in pieces"])
def test_unverified_ranges_keep_to_the_rate(tmp_path: Path, piece: int) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "m.bin").write_bytes(os.urandom(SIZE))
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: m.bin}\n")
    network = Network(plain_http=True, max_rate=RATE)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/paced/kit:v1"
        kitfast.push(folder, reference, home=tmp_path / "home", network=Network(plain_http=True))
        begun = time.monotonic()
        where = {"home": tmp_path / "empty", "network": network}
        with kitfast.open(reference, "m.bin", unverified=True, **where) as file:
            got = b"".join(iter(lambda: file.read(piece), b""))
        took = time.monotonic() - begun
    assert got == (folder / "m.bin").read_bytes()
    assert SIZE / RATE <= took < 20 * SIZE / RATE
