"""Attack: names that start at the root of the file system or of a drive."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, member, pax

from kitfast.errors import UnsafeMember

NAMES = [b"/evil", b"//evil", b"C:/evil", b"c:\\evil", b"\\\\host\\share\\evil"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_absolute_name(refuses: Refuses, name: bytes) -> None:
    refuses(member(name, b"x") + END, UnsafeMember)


def test_absolute_pax_path(refuses: Refuses, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    refuses(pax(("path", str(evil))) + member(b"good", b"x") + END, UnsafeMember)
    assert not evil.exists()


def test_nul_in_a_name(refuses: Refuses) -> None:
    refuses(pax(("path", "good\0evil")) + member(b"good", b"x") + END, UnsafeMember)


def test_endless_name(refuses: Refuses) -> None:
    refuses(pax(("path", "x/" * 3000)) + member(b"good", b"x") + END, UnsafeMember)


def test_name_of_the_staging_folder(refuses: Refuses) -> None:
    refuses(member(b".kitfast-staging/evil", b"x") + END, UnsafeMember)
