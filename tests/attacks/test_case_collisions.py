"""Attack: names that a disk which does not tell `A` from `a` takes for one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.conftest import Refuses
from tests.support.hostile import END, Door, entries, member

from kitfast.errors import UnsafeMember

BIG = bytes(100_000)
Files = dict[str, bytes | None]
"""Names in the order of a tar, with the bytes of files, or None for a folder."""
# Of two folders nothing is lost: what lies in them has names of its own, or collides itself.
COLLISIONS: dict[str, Files] = {
    "files": {"Model": b"good", "model": b"evil"},
    "big files": {"Model": BIG, "model": BIG + b"evil"},
    "files in folders": {"d/model": b"good", "D/model": b"evil"},
    "not of ASCII": {"Ünï": b"good", "üNÏ": b"evil"},
    "a folder": {"Model": b"good", "model": None},
    "a folder with a file": {"Model": b"good", "model/x": b"evil"},
    "a folder with a file, first": {"model/x": b"evil", "Model": b"good"},
}
each = pytest.mark.parametrize("files", COLLISIONS.values(), ids=COLLISIONS)


def tar(files: Files) -> bytes:
    members = [
        member(f"{name}/".encode(), flag=b"5", mode=0o755)
        if data is None
        else member(name.encode(), data)
        for name, data in files.items()
    ]
    return b"".join(members) + END


def folds(folder: Path) -> bool:
    """Whether the disk takes `A` for `a`."""
    (folder / "probe").touch()
    found = (folder / "PROBE").exists()
    (folder / "probe").unlink()
    return found


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that takes `A` for `a`, where one can be had."""
    if folds(tmp_path):
        yield tmp_path
        return
    disk, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(32 << 20)
    made = _works("mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", disk)
    if not made or not _works("mount", "-o", "loop", disk, place):
        pytest.skip("needs a disk that takes `A` for `a`, or the right to mount one")
    try:
        inner = place / "folding"
        inner.mkdir()
        if not _works("chattr", "+F", inner) or not folds(inner):
            pytest.skip("needs chattr (e2fsprogs), to have a folder take `A` for `a`")
        yield inner
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _works(*words: str | Path) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@each
def test_a_disk_that_tells_them_apart_holds_both(door: Door, tmp_path: Path, files: Files) -> None:
    if folds(tmp_path):
        pytest.skip("needs a disk that tells `A` from `a`")
    root = tmp_path / "around" / "root"
    root.mkdir(parents=True)
    door(root, tar(files))
    for name, data in files.items():
        assert (root / name).is_dir() if data is None else (root / name).read_bytes() == data
    folders = {name.rpartition("/")[0] for name in files} - {""}
    assert set(entries(root)) == {*files, *folders}


@each
def test_a_disk_that_does_not_holds_none(door: Door, folding: Path, files: Files) -> None:
    root = folding / "around" / "root"
    root.mkdir(parents=True)
    with pytest.raises(UnsafeMember):
        door(root, tar(files))
    assert entries(root) == []


@pytest.mark.parametrize("last", [{"./model": b"x"}, {"model/x": b"x"}, {"model": None}])
def test_a_name_beside_its_like_is_still_refused_twice(refuses: Refuses, last: Files) -> None:
    collision: Files = {"Model": b"good", "model": b"evil"}
    refuses(tar(collision)[: -len(END)] + tar(last), UnsafeMember)
