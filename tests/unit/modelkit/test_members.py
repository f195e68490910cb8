"""Finding a file in a tar ends, whatever the headers of the tar are like."""

from __future__ import annotations

import pytest
from tests.support.hostile import END, digest, member, pax

from kitfast import errors
from kitfast.kitfile.match import Unpackable
from kitfast.modelkit import members
from kitfast.modelkit.members import WINDOW, Extent, find
from kitfast.oci.descriptor import Descriptor

DATA = b"x" * 5000
BEFORE = member(b"before", bytes(3 * WINDOW))
#: Headers of one member that do not fit into what is read at once.
LONG = {
    "a record": pax(("comment", "c" * 200_000)),
    "long names": b"".join(member(b"././@LongLink", b"f%d\0" % n, flag=b"L") for n in range(300)),
    "many records": b"".join(pax(("comment", "c" * 9000), ("path", "f")) for _ in range(20)),
}


def look(tar: bytes, path: str) -> tuple[Extent | None, list[int]]:
    """Where a file is, and the places that were read to find it."""
    asked: list[int] = []

    def read(offset: int, length: int) -> bytes:
        asked.append(offset)
        assert len(asked) < 1000, "it does not end"
        assert 0 < length <= len(tar) - offset
        return tar[offset : offset + length]

    layer = Descriptor("layer", digest(tar), len(tar))
    return find(Unpackable(layer, "tar", "none", "model"), path, read), asked


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("before", [b"", BEFORE], ids=["first", "later"])
def test_long_headers_are_read_once_or_refused(kind: str, before: bytes) -> None:
    tar = before + LONG[kind] + member(b"f", DATA) + END
    name = "f299" if kind == "long names" else "f"
    try:
        found, asked = look(tar, name)
    except (errors.Corrupt, errors.UnsafeMember):
        return
    assert found is not None and tar[found.offset :][: found.size] == DATA
    assert asked == sorted(set(asked))


def test_a_tar_of_too_many_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tar = b"".join(member(b"f%d" % n, bytes(2 * WINDOW)) for n in range(5)) + END
    found, asked = look(tar, "f4")
    assert found is not None and len(asked) == 5
    monkeypatch.setattr(members, "MOST_READS", 4)
    with pytest.raises(errors.Corrupt, match="lead to no end"):
        look(tar, "f4")
    assert look(tar, "f3")[0] is not None


def test_what_stands_still_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def __init__(self, size: int) -> None:
            self.places = iter([0, 1024, 512, 1024])

        def step(self, offset: int, data: bytes) -> tuple[str, str, int, int, int]:
            return "need", "", next(self.places), 512, 0

    monkeypatch.setattr("kitfast._core.TarWalk", Still)
    with pytest.raises(errors.Corrupt, match="lead to no end"):
        look(member(b"f", DATA) + END, "f")
