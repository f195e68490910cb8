"""Says no before the first byte when a disk is too small."""

from __future__ import annotations

import os
from pathlib import Path

from kitfast.errors import NoSpace


def require_space(folder: Path, needed: int) -> None:
    """Checks that `needed` bytes fit on the disk of `folder` (or of its nearest parent).

    A disk can still fill up later; this only spares the hours until then. One that says
    it has no blocks at all does not tell, and is not asked.

    Raises:
        NoSpace: there is less; the message says how much is needed and how much is there.
    """
    there = folder
    while not there.exists():
        there = there.parent
    disk = os.statvfs(there)
    if disk.f_blocks == 0:
        return
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise NoSpace(
            f"{folder}: {needed:,} bytes are needed, but only {free:,} are free",
            path=folder,
            needed=needed,
            free=free,
        )
