"""Attack: bytes that are not the ones that were promised, by one bit at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.hostile import END, digest, entries, land, member

from kitfast._core import Landing, Store, Target
from kitfast.errors import DigestMismatch

TAR = member(b"big", os.urandom(200_000)) + member(b"small", b"x") + END


@pytest.mark.parametrize("at", [len(TAR) - 1, 512 + 199_999, 512])
def test_flipped_bit_in_a_tar(tmp_path: Path, at: int) -> None:
    wrong = bytearray(TAR)
    wrong[at] ^= 1
    with pytest.raises(DigestMismatch):
        land(tmp_path / "root", bytes(wrong), claimed=digest(TAR))
    assert entries(tmp_path / "root") == []


def test_flipped_bit_in_a_header(tmp_path: Path) -> None:
    """The digest is judged first: damage is called damage, not an attack."""
    wrong = bytearray(TAR)
    wrong[3] ^= 1
    with pytest.raises(DigestMismatch):
        land(tmp_path / "root", bytes(wrong), claimed=digest(TAR))
    assert entries(tmp_path / "root") == []


def test_flipped_bit_in_a_file(tmp_path: Path) -> None:
    target = Target(tmp_path / "root")
    landing = Landing.into_target(target, digest(TAR), len(TAR), "whole", "weights")
    landing.write(0, TAR[:-1] + b"\1")
    with pytest.raises(DigestMismatch):
        landing.finish()
    target.finish()
    assert entries(tmp_path / "root") == []


@pytest.mark.parametrize("shape", ["whole", "tar"])
def test_flipped_bit_on_the_way_to_the_store(tmp_path: Path, shape: str) -> None:
    store = Store(tmp_path)
    landing = Landing.into_store(store, digest(TAR), len(TAR), shape)
    landing.write(0, TAR[:-1] + b"\1")
    with pytest.raises(DigestMismatch):
        landing.finish()
    assert store.size(digest(TAR)) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size] == []


def test_second_answer_to_a_range_is_not_taken(tmp_path: Path) -> None:
    """What was hashed stays as it was, whatever another connection brings later."""
    target = Target(tmp_path / "root")
    landing = Landing.into_target(target, digest(TAR), len(TAR), "tar")
    landing.write(0, TAR[:150_000])
    landing.write(0, bytes(150_000))
    landing.write(100_000, TAR[:50_000] + TAR[150_000:])
    landing.finish()
    target.finish()
    assert (tmp_path / "root" / "big").read_bytes() == TAR[512:200_512]
