"""Attack: a member behind headers without end, each of which describes it anew."""

from __future__ import annotations

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, block, member, pax

from kitfast.errors import Corrupt


@pytest.mark.parametrize("header", [block(b"p", flag=b"x"), pax(("path", "n"))])
def test_headers_without_end_are_refused(refuses: Refuses, header: bytes) -> None:
    refuses(header * 20_000 + member(b"a", b"x") + END, Corrupt)


def test_a_name_longer_than_any_honest_one(refuses: Refuses) -> None:
    refuses(pax(("comment", "c" * (1 << 20))) + member(b"a", b"x") + END, Corrupt)
