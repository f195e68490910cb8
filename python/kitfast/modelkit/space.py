"""Says no before the first byte when a disk is too small."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core
from kitfast.errors import NoSpace

if TYPE_CHECKING:
    from kitfast.kitfile.match import Unpackable

_BLOCK = 512


def require_space(folder: Path, needed: int, why: str = "") -> None:
    """Checks that `needed` bytes fit on the disk of `folder` (or of its nearest parent).

    A disk can still fill up later; this only spares the hours until then. One that says
    it has no blocks at all does not tell, and is not asked.

    Args:
        why: why so many, for the message.

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
        more = f" ({why})" if why else ""
        raise NoSpace(
            f"{folder}: {needed:,} bytes are needed{more}, but only {free:,} are free",
            path=folder,
            needed=needed,
            free=free,
        )


@dataclass(frozen=True)
class Room:
    """What a layer needs of a disk, in bytes; more than that where it unpacks to more."""

    needed: int
    compressed: bool = False


def room_for(item: Unpackable, target: _core.Target, staging: Path) -> Room:
    """What fetching a layer into a folder needs; what an earlier try took is ours already.

    A compressed layer is decoded when all of it is there and verified, to hardly less than
    its own size, and to nobody knows how much more. Where the disk is short by then, what
    is decoded gives its room back: one copy is all it needs.
    """
    layer = item.descriptor
    if _core.Landing.has_published(target, layer.digest, layer.size, item.core_shape, item.name):
        return Room(0)
    needed = max(0, layer.size - held(staging, layer.digest))
    return Room(needed, item.compression != "none")


def require_rooms(folder: Path, rooms: Sequence[Room]) -> None:
    """Checks that several layers fit on the disk of `folder`.

    Raises:
        NoSpace: they do not; the message says what is needed, why, and what is there.
    """
    compressed = any(room.compressed for room in rooms)
    why = "or more: compressed layers unpack to more" if compressed else ""
    require_space(folder, sum(room.needed for room in rooms), why)


def require_room(store: Path, digest: str, size: int, why: str) -> None:
    """Checks that a blob fits into a store, or what an earlier try for it has left to fetch.

    Raises:
        NoSpace: it does not; the message says what is needed, why, and what is there.
    """
    require_space(store, max(0, size - held(store / "landing", digest)), why)


def held(staging: Path, digest: str) -> int:
    """Bytes of the disk that an earlier try for this blob has taken already, in `staging`."""
    total = 0
    hexadecimal = digest.partition(":")[2]
    for folder, _, names in (
        found for place in staging.glob(f"{hexadecimal}-*") for found in os.walk(place)
    ):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * _BLOCK  # noqa: PTH118
            except FileNotFoundError:
                continue  # Another process is at work there.
    return total
