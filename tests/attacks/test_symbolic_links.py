"""Attack: a symbolic link in the tar, and a file written through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member

from kitfast.errors import UnsafeMember


@pytest.mark.parametrize("where", [b"/etc", b"..", b"good", b"."])
def test_symbolic_link(refuses: Refuses, where: bytes) -> None:
    link = block(b"link", flag=b"2", link=where)
    refuses(member(b"good", b"x") + link + member(b"link/evil", b"y") + END, UnsafeMember)


def test_link_with_a_body(refuses: Refuses, tmp_path: Path) -> None:
    """A size on a link means nothing: a reader that skips it sees other members."""
    hidden = member(b"../evil", b"x")
    link = block(b"link", size=len(hidden), flag=b"2", link=b"good")
    refuses(link + hidden + END, UnsafeMember)
    assert not (tmp_path / "evil").exists()
