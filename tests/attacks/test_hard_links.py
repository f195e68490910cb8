"""Attack: a hard link in the tar to a file outside of the folder, or inside."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member

from kitfast.errors import UnsafeMember


@pytest.mark.parametrize("where", [b"/etc/passwd", b"../outside", b"good"])
def test_hard_link(refuses: Refuses, where: bytes) -> None:
    link = block(b"link", flag=b"1", link=where)
    refuses(member(b"good", b"x") + link + END, UnsafeMember)
