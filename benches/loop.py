"""An XFS of its own on a file, where contents are cloned instead of copied."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


class NoLoop(Exception):
    """Why there can be none on this machine."""


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """Makes and mounts it within `folder`, and takes it all away again.

    Raises:
        NoLoop: it needs root, `mkfs.xfs` and a loop device.
    """
    if os.geteuid() != 0:
        raise NoLoop("only root can mount")
    if shutil.which("mkfs.xfs") is None:
        raise NoLoop("mkfs.xfs is not on PATH")
    image, place = folder / "xfs", folder / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        # mkfs.xfs refuses less than 300 MB.
        file.truncate(max(size, 400 << 20))
    try:
        _run("mkfs.xfs", "-q", "-m", "reflink=1", str(image))
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
