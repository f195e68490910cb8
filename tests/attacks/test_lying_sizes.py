"""Attack: sizes that are negative, huge, or larger than the layer."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member, pax

from kitfast.errors import Corrupt

SIZES = {
    "negative": b"\xff" * 12,
    "minus": b"-0000000001\0",
    "2**63": b"\x80\0\0\0" + (1 << 63).to_bytes(8, "big"),
    "2**90": b"\x80\x04" + bytes(10),
    "no number": b"99999999999\0",
    "wraps around": b"\x80\0\0\0" + ((1 << 63) - 513).to_bytes(8, "big"),
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_impossible_size(refuses: Refuses, size: bytes) -> None:
    refuses(member(b"good", b"x") + block(b"evil", size=size) + END, Corrupt)


@pytest.mark.parametrize("size", ["-1", "1e3", "0x10", "", "9" * 30, str((1 << 63) - 1)])
def test_impossible_pax_size(refuses: Refuses, size: str) -> None:
    refuses(pax(("size", size)) + block(b"evil") + END, Corrupt)


def test_size_of_all_by_pax(refuses: Refuses) -> None:
    refuses(pax(("size", "0"), flag=b"g") + member(b"good", b"x") + END, Corrupt)


def test_metadata_without_end(refuses: Refuses) -> None:
    refuses(block(b"pax", size=2 << 20, flag=b"x") + bytes(2 << 20) + END, Corrupt)
