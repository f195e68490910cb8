"""Finds one file of a kit: its layer, and where in the layer its bytes are."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

from kitfast import _core
from kitfast.errors import Corrupt, InvalidArgument, NotFound
from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.names import clean
from kitfast.modelkit.kit import Kit
from kitfast.modelkit.walk import MAX_MEMBERS

# Read around a header: the small files of a tar, and their headers, come along.
WINDOW = 64 << 10
# One for every member of the largest tar that is packed here, were all of them far apart.
MOST_READS = MAX_MEMBERS


@dataclass(frozen=True)
class Extent:
    """A file's bytes: `size` of them from `offset` of a layer on."""

    item: Unpackable
    offset: int
    size: int


def candidates(kit: Kit, path: str) -> list[Unpackable]:
    """The layers that may hold a file, as far as the manifest and the Kitfile tell."""
    return [item for item in kit.unpackables() if _may_hold(item, path)]


def find(item: Unpackable, path: str, read: Callable[[int, int], bytes]) -> Extent | None:
    """Looks for a file in a layer whose bytes `read(offset, length)` gives; None if not there.

    The layer must not be compressed.

    Raises:
        Corrupt, UnsafeMember: the layer is no good tar.
    """
    size = item.descriptor.size
    if item.shape == "raw":
        return Extent(item, 0, size)
    walk = _core.TarWalk(size)
    at, window, reads = -1, b"", 0
    while True:
        kind, name, offset, length, _ = walk.step(max(at, 0), window)
        if kind == "need":
            reads += 1
            # A good tar is read from its start to its end, and no place of it twice.
            if offset <= at or reads > MOST_READS:
                raise _endless(item)
            at, window = offset, read(offset, min(max(length, WINDOW), size - offset))
        elif kind == "end":
            return None
        elif kind == "member" and posixpath.join(item.under, name) == path:
            return Extent(item, offset, length)


def _endless(item: Unpackable) -> Corrupt:
    digest = item.descriptor.digest
    return Corrupt(
        f"{digest}: the headers of this tar layer lead to no end",
        what=digest,
        hint="whoever made the kit has to pack it again",
    )


def compressed(kit: Kit, path: str, how: str) -> InvalidArgument:
    """The error for a file in a layer that is compressed: nothing there has a place of its own."""
    return InvalidArgument(
        f"{path}: is in a layer that is compressed with {how}",
        hint=f"unpack it: kitfast unpack {kit.reference} --include {path}",
    )


def missing(kit: Kit, path: str) -> NotFound:
    """The error for a path that no layer of a kit holds a file at."""
    return NotFound(
        f"{kit.reference}: has no file {path}",
        what=path,
        hint="`kitfast info` shows the Kitfile with its entries' paths; folders cannot be read",
    )


def _may_hold(item: Unpackable, path: str) -> bool:
    if item.shape == "raw":
        return item.name == path
    if item.entry is None:
        return True
    base = clean(posixpath.join(item.under, item.entry.path))
    return base in (".", "") or path == base or path.startswith(f"{base}/")
