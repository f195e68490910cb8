"""What an interrupted landing has left to fetch is found without touching a disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.folders import snapshot
from tests.support.hostile import digest
from tests.unit.landing.test_landing import TAR

from kitfast._core import Landing, Store, Target

SIZE = len(TAR)
HALF = SIZE // 2


def kept(folder: Path, shape: str, include: list[str]) -> Landing:
    """Half of a blob, as a run leaves it that was interrupted."""
    name = "weights" if shape == "whole" else None
    target = Target(folder, include=include)
    landing = Landing.into_target(target, digest(TAR), SIZE, shape, name)
    landing.write(0, TAR[:HALF])
    return landing


def left(folder: Path, shape: str, include: list[str]) -> list[tuple[int, int]] | None:
    name = "weights" if shape == "whole" else None
    return Landing.left_in_target(folder, digest(TAR), SIZE, shape, name, include)


@pytest.mark.parametrize("shape", ["whole", "tar", "tar+gzip"])
def test_a_folder_is_only_looked_at(tmp_path: Path, shape: str) -> None:
    kept(tmp_path, shape, []).keep()
    before = snapshot(tmp_path)
    assert left(tmp_path, shape, []) == [(HALF, SIZE)]
    # Of other patterns there was no try: that must not reserve the layer's room.
    assert left(tmp_path, shape, ["w*"]) is None
    assert snapshot(tmp_path) == before
    assert kept(tmp_path, shape, []).missing() == [(HALF, SIZE)]


def test_nothing_is_there_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in (".", "none", "file"):
        assert left(tmp_path / name, "tar", []) is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("damage", ["journal", "spool"])
def test_what_is_damaged_stays_for_the_run_that_clears_it(tmp_path: Path, damage: str) -> None:
    kept(tmp_path, "tar", []).keep()
    (file,) = tmp_path.rglob(damage)
    file.write_bytes(file.read_bytes()[:-1])
    before = snapshot(tmp_path)
    assert left(tmp_path, "tar", []) is None
    assert snapshot(tmp_path) == before


def test_nobody_is_kept_out_and_nobody_keeps_out(tmp_path: Path) -> None:
    landing = kept(tmp_path, "tar", [])
    # Its journal may not tell of all of it yet.
    assert left(tmp_path, "tar", []) in (None, [(0, SIZE)], [(HALF, SIZE)])
    landing.write(HALF, TAR[HALF:])
    landing.finish()


def test_a_layer_that_was_published_is_not_fetched_again(tmp_path: Path) -> None:
    landing = kept(tmp_path, "tar", [])
    landing.write(HALF, TAR[HALF:])
    landing.finish()
    before = snapshot(tmp_path)
    assert left(tmp_path, "tar", []) == []
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("shape", ["whole", "tar"])
def test_a_store_is_only_looked_at(tmp_path: Path, shape: str) -> None:
    store = Store(tmp_path)
    assert Landing.left_in_store(store, digest(TAR), SIZE, shape) is None
    landing = Landing.into_store(store, digest(TAR), SIZE, shape)
    landing.write(0, TAR[:HALF])
    landing.keep()
    before = snapshot(tmp_path)
    assert Landing.left_in_store(store, digest(TAR), SIZE, shape) == [(HALF, SIZE)]
    other = "tar" if shape == "whole" else "whole"
    assert Landing.left_in_store(store, digest(TAR), SIZE, other) is None
    assert snapshot(tmp_path) == before
