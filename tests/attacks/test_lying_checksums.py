"""Attack: a header whose checksum is not the one of its bytes."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member

from kitfast.errors import Corrupt


@pytest.mark.parametrize("stated", [0, 1, 0o777777])
def test_checksum(refuses: Refuses, stated: int) -> None:
    refuses(member(b"good", b"x") + block(b"evil", checksum=stated) + END, Corrupt)


@pytest.mark.parametrize("at", [0, 100, 124, 156, 257, 345])
def test_flipped_bit(refuses: Refuses, at: int) -> None:
    header = bytearray(member(b"good", b"x"))
    header[at] ^= 1
    refuses(member(b"first", b"x") + bytes(header) + END, Corrupt)


def test_no_tar_at_all(refuses: Refuses) -> None:
    refuses(b"\x89PNG\r\n" + b"weights" * 1000, Corrupt)
