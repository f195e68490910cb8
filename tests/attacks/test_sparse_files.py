"""Attack: sparse files, which blow up a few bytes to any size."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member, pax

from kitfast.errors import Corrupt, UnsafeMember


def test_old_sparse_file(refuses: Refuses) -> None:
    refuses(block(b"evil", flag=b"S") + END, UnsafeMember)


def test_pax_sparse_file(refuses: Refuses) -> None:
    records = (("GNU.sparse.major", "1"), ("GNU.sparse.realsize", str(1 << 50)))
    refuses(pax(*records) + member(b"evil", b"1\n") + END, Corrupt)


@pytest.mark.parametrize(
    "records", [b"9 path=a", b"99 path=a\n", b"x path=a\n", b"0 \n", b"5 pa\n"]
)
def test_broken_records(refuses: Refuses, records: bytes) -> None:
    refuses(member(b"pax", records, flag=b"x") + member(b"good", b"x") + END, Corrupt)
