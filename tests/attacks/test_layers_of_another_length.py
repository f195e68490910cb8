"""Attack: a tar that is longer or shorter than its layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, Door, block, entries, member, pax

from kitfast.errors import Corrupt


@pytest.mark.parametrize("left", [1, 511, 513, 1000, 100_000])
def test_member_beyond_the_end(refuses: Refuses, left: int) -> None:
    tar = member(b"good", b"x") + block(b"evil", size=200_000) + b"y" * left
    refuses(tar, Corrupt)


def test_cut_inside_a_header(refuses: Refuses) -> None:
    refuses(member(b"good", b"x") + block(b"evil")[:300], Corrupt)


def test_cut_after_a_pax_header(refuses: Refuses) -> None:
    refuses(member(b"good", b"x") + pax(("path", "evil")), Corrupt)


@pytest.mark.parametrize("hidden", [b"x", member(b"evil", b"y"), b"\0" * 70_000 + b"x"])
def test_data_behind_the_end(refuses: Refuses, hidden: bytes) -> None:
    refuses(member(b"good", b"x") + END + hidden, Corrupt)


@pytest.mark.parametrize("end", [b"", bytes(512), END, bytes(10_240)])
def test_zeros_behind_the_end_are_fine(door: Door, end: bytes, tmp_path: Path) -> None:
    root = tmp_path / "root"
    door(root, member(b"good", b"x") + end)
    assert entries(root) == ["good"]
