"""Attack: a symbolic link waits in the folder and leads out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.hostile import END, Door, entries, member

from kitfast._core import Target
from kitfast.errors import AlreadyExists, UnsafeMember


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "around" / "root"
    root.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return root


@pytest.mark.parametrize("kind", [b"0", b"5"])
def test_directory_that_is_a_link(door: Door, root: Path, tmp_path: Path, kind: bytes) -> None:
    (root / "models").symlink_to(tmp_path / "outside")
    name = b"models/evil" if kind == b"0" else b"models/evil/"
    with pytest.raises(UnsafeMember):
        door(root, member(name, flag=kind) + END)
    assert entries(tmp_path / "outside") == []
    assert entries(root) == ["models"]


def test_file_that_is_a_link(door: Door, root: Path, tmp_path: Path) -> None:
    (root / "file").symlink_to(tmp_path / "outside" / "evil")
    with pytest.raises(AlreadyExists):
        door(root, member(b"file", b"x") + END)
    assert entries(tmp_path / "outside") == []


def test_overwriting_replaces_the_link_itself(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "outside" / "precious"
    precious.write_bytes(b"mine")
    (root / "file").symlink_to(precious)
    target = Target(root, "overwrite")
    assert target.put("file", b"new")
    target.finish()
    assert precious.read_bytes() == b"mine"
    assert (root / "file").read_bytes() == b"new"
    assert not (root / "file").is_symlink()


def test_staging_folder_that_is_a_link(door: Door, root: Path, tmp_path: Path) -> None:
    (root / ".kitfast-staging").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError):
        door(root, member(b"file", b"x" * 100_000) + END)
    assert entries(tmp_path / "outside") == []
