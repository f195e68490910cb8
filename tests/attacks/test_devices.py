"""Attack: devices, pipes and kinds of members nobody knows."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block

from kitfast.errors import UnsafeMember


@pytest.mark.parametrize("flag", [b"3", b"4", b"6", b"D", b"M", b"V", b"X", b"A"])
def test_neither_file_nor_directory(refuses: Refuses, flag: bytes) -> None:
    refuses(block(b"dev", flag=flag) + END, UnsafeMember)
