"""Looks at what is in a folder already, before anything is fetched into it."""

from __future__ import annotations

import errno
from pathlib import Path

from kitfast import _core
from kitfast.errors import FileError
from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.names import clean

#: Where the core keeps files of a target that are not whole yet.
STAGING = ".kitfast-staging"


def open_target(
    folder: Path, existing: str, include: list[str], exclude: list[str]
) -> _core.Target:
    """Opens the folder that files go to; a folder nobody may write to is called so.

    Raises:
        FileError: it cannot be made, or not written to.
    """
    try:
        return _core.Target(str(folder), existing, include, exclude)
    except FileError as error:
        why = {
            errno.EROFS: "its file system is mounted read-only",
            errno.EACCES: "it may not be written by this user",
            errno.EPERM: "it may not be written by this user",
        }.get(error.errno or 0)
        if why is None:
            raise
        raise FileError(
            f"{folder}: cannot unpack there: {why}",
            hint="unpack into another folder, or make this one writable",
            path=str(folder),
            errno=error.errno,
        ) from error


def has_to_come(target: _core.Target, item: Unpackable) -> bool:
    """Whether a layer must be unpacked; False if its only file is there, and then counts it.

    A raw layer's file is known by name. A tar is one file where its Kitfile entry's path
    is one; what is in any other tar shows when it arrives. Files that an earlier run put
    there before it was killed are not in the way.

    Raises:
        AlreadyExists: its file is there and must not be replaced.
    """
    layer = item.descriptor
    name = item.name
    if name is None:
        path = clean(item.entry.path) if item.entry is not None and not item.under else "."
        if path == "." or target.size_of(path) is None:
            return True
        name = path
    shape = item.core_shape
    if _core.Landing.has_published(target, layer.digest, layer.size, shape, item.name):
        return True
    if target.would_write(name):
        return True
    if target.wants(name):
        target.count_kept(1)
    return False


def left_to_fetch(
    folder: Path, item: Unpackable, include: list[str], exclude: list[str]
) -> list[tuple[int, int]] | None:
    """What an unpack that broke has left to fetch of a layer; None where it left nothing.

    Nothing is made, written or locked: another process may be going on with it.
    """
    layer = item.descriptor
    return _core.Landing.left_in_target(
        folder, layer.digest, layer.size, item.core_shape, item.name, include, exclude
    )
