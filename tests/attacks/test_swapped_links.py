"""Attack: folders are swapped for links again and again while a tar is unpacked."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from tests.support.hostile import END, digest, entries, member

from kitfast._core import Landing, Target
from kitfast.errors import FileError, UnsafeMember

TAR = b"".join(member(b"a/b/%d" % number, b"x" * 600) for number in range(50)) + END


def test_swapped_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    target = Target(root)
    landing = Landing.into_target(target, digest(TAR), len(TAR), "tar")
    landing.write(0, TAR[:9000])
    root.rename(tmp_path / "moved")
    root.symlink_to(outside)
    landing.write(9000, TAR[9000:])
    landing.finish()
    target.finish()
    assert entries(outside) == []
    assert len(list((tmp_path / "moved" / "a" / "b").iterdir())) == 50


def test_folder_swapped_all_the_time(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    stop = threading.Event()

    def swap(root: Path) -> None:
        while not stop.is_set():
            with suppress(OSError):
                (root / "a").rename(root / "aside")
                (root / "a").symlink_to(outside)
            with suppress(OSError):
                (root / "a").unlink()
                (root / "aside").rename(root / "a")

    for number in range(20):
        root = tmp_path / f"root{number}"
        root.mkdir()
        (root / "a").mkdir()
        stop.clear()
        swapper = threading.Thread(target=swap, args=(root,))
        swapper.start()
        try:
            target = Target(root)
            landing = Landing.into_target(target, digest(TAR), len(TAR), "tar")
            with suppress(UnsafeMember, FileError):
                landing.write(0, TAR)
                landing.finish()
            landing.discard()
        finally:
            stop.set()
            swapper.join()
        assert entries(outside) == ["b"]
