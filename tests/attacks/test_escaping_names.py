"""Attack: names that climb out of the folder."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member, pax

from kitfast.errors import UnsafeMember

NAMES = [b"../evil", b"a/../../evil", b"..", b"a/..", b"./../evil", b"a\\..\\..\\evil"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_escaping_name(refuses: Refuses, name: bytes) -> None:
    error = refuses(member(b"good", b"x") + member(name, b"y") + END, UnsafeMember)
    assert "leads out" in str(error)


def test_escaping_directory(refuses: Refuses) -> None:
    refuses(member(b"../evil/", flag=b"5") + END, UnsafeMember)


def test_escaping_prefix(refuses: Refuses) -> None:
    refuses(block(b"evil", prefix=b"a/../..") + END, UnsafeMember)


def test_escaping_pax_path(refuses: Refuses) -> None:
    refuses(pax(("path", "../../evil")) + member(b"good", b"x") + END, UnsafeMember)


def test_escaping_long_name(refuses: Refuses) -> None:
    long_name = member(b"././@LongLink", b"../" * 50 + b"evil\0", flag=b"L")
    refuses(long_name + member(b"good", b"x") + END, UnsafeMember)
