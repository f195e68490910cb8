"""A file system of its own on a file: XFS, which clones contents, or ext4."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: What each is made with.
FLAGS = {"xfs": ("-m", "reflink=1"), "ext4": ("-F", "-m", "0")}


class NoLoop(Exception):
    """Why there can be none on this machine."""


@contextlib.contextmanager
def mounted(folder: Path, size: int, kind: str = "xfs") -> Iterator[Path]:
    """Makes and mounts it within `folder`, and takes it all away again.

    Args:
        folder: where its file lies meanwhile.
        size: its bytes.
        kind: `xfs` or `ext4`.

    Raises:
        NoLoop: it needs root, the program that makes it, and a loop device.
    """
    if os.geteuid() != 0:
        raise NoLoop("only root can mount")
    make, flags = f"mkfs.{kind}", FLAGS[kind]
    if shutil.which(make) is None:
        raise NoLoop(f"{make} is not on PATH")
    image, place = folder / "disk", folder / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        # mkfs.xfs refuses less than 300 MB.
        file.truncate(max(size, 400 << 20))
    try:
        _run(make, "-q", *flags, str(image))
        _run("mount", "-o", "loop", str(image), str(place))
        try:
            yield place
        finally:
            # Lazily: stopped by a signal, a program may still have files open there.
            _run("umount", "--lazy", str(place))
    finally:
        image.unlink()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoLoop(f"{command[0]}: {(done.stderr or done.stdout).strip()[-200:]}")
