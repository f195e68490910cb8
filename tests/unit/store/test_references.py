"""References on disk: tags move, kits stay until their last tag goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitfast.errors import Corrupt
from kitfast.store.references import Held, References

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.fixture
def references(tmp_path: Path) -> References:
    return References(tmp_path)


def test_a_tag_names_one_digest_and_can_move(references: References) -> None:
    references.add("r.example", "a/b", ONE, "v1", "latest")
    references.add("r.example", "a/b", TWO, "latest")
    assert references.resolve("r.example", "a/b", "v1") == ONE
    assert references.resolve("r.example", "a/b", "latest") == TWO
    assert references.tags("r.example", "a/b") == ("latest", "v1")
    assert references.resolve("r.example", "a/b", "v2") is None
    assert references.resolve("r.example", "a", "v1") is None


def test_a_repository_below_another_does_not_meet_its_tags(references: References) -> None:
    references.add("localhost", "a", ONE, "b")
    references.add("localhost", "a/b", TWO, "c", "_tags")
    assert references.held() == [
        Held("localhost", "a", ONE, ("b",)),
        Held("localhost", "a/b", TWO, ("_tags", "c")),
    ]


def test_untagging_leaves_the_kit_and_dropping_takes_its_tags(references: References) -> None:
    references.add("localhost", "a", ONE, "x", "y")
    references.untag("localhost", "a", "x")
    assert references.held() == [Held("localhost", "a", ONE, ("y",))]
    references.untag("localhost", "a", "y")
    assert references.held() == [Held("localhost", "a", ONE, ())]
    references.add("localhost", "a", ONE, "z")
    references.drop("localhost", "a", ONE)
    assert references.held() == []
    assert list(references.folder.iterdir()) == []


def test_a_damaged_tag_is_told_and_not_believed(references: References) -> None:
    references.add("localhost", "a", ONE, "x")
    (references.folder / "localhost" / "a" / "_tags" / "x").write_text("sha256:short")
    with pytest.raises(Corrupt, match="holds no digest"):
        references.resolve("localhost", "a", "x")
