"""Attack: two members of one name, or a file where another one needs a directory."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, member, pax

from kitfast.errors import UnsafeMember

BIG = bytes(100_000)


@pytest.mark.parametrize("second", [b"a", b"./a", b".//a"])
@pytest.mark.parametrize("data", [b"x", BIG], ids=["small", "big"])
def test_two_files(refuses: Refuses, second: bytes, data: bytes) -> None:
    refuses(member(b"a", data) + member(second, b"y" * len(data)) + END, UnsafeMember)


def test_two_spellings_by_pax(refuses: Refuses) -> None:
    twice = member(b"d/a", b"x") + pax(("path", "d//./a")) + member(b"b", b"y")
    refuses(twice + END, UnsafeMember)


@pytest.mark.parametrize("first", [b"a", b"a/b"])
def test_file_and_directory(refuses: Refuses, first: bytes) -> None:
    second = b"a/b" if first == b"a" else b"a"
    refuses(member(first, b"x") + member(second, b"y") + END, UnsafeMember)


def test_file_and_directory_entry(refuses: Refuses) -> None:
    refuses(member(b"a", b"x") + member(b"a/", flag=b"5") + END, UnsafeMember)
