"""The marker of `unpack`: it is there only while a folder holds a whole kit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitfast.errors import AlreadyExists, Corrupt, FileError, InvalidArgument
from kitfast.kitfile.names import clean
from kitfast.store.files import file_error, read_bounded, write_atomically

KIND = "kitfast unpacked"
# A line of a name, a size and a time for every file: room for more than two million.
_LIMIT = 256 << 20
# The second in which every content of the store was changed, as the core writes it.
_SENTINEL_SECOND = 1
# The second in which every marker was changed, of September 2001. A kit may hold a file that
# reads like a marker, but cannot choose its time: nobody takes times from tars, so a file of
# a kit has the time it came at, or the store's sentinel. A time, and not an inode or a time
# of creation, because volumes keep it: fsGroup, a new mount or `rsync -t` change those. It
# holds off kits, not people: who may write to a volume may write markers there.
_MARKER_SECOND = 10**9


@dataclass(frozen=True)
class Choice:
    """What of a kit was asked for: another choice is another set of files."""

    filters: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True)
class Marked:
    """What a marker says is there: the kit, the kits its model comes from, and the files.

    `verified` says what the weakest of the files was held against, as in `Unpacked`.
    """

    digest: str
    parents: tuple[str, ...]
    files: int
    verified: str


class Marker:
    """A file to be written last, beside or outside of the folder it vouches for."""

    def __init__(self, path: Path, directory: Path, choice: Choice) -> None:
        self.path = path
        self.directory = directory
        self.choice = choice

    def require_place(self) -> None:
        """Refuses a place where no marker can stand, before anything is fetched for it.

        Raises:
            InvalidArgument: it is the folder it vouches for, or holds that.
            FileError: it is a folder, lies in a file, or its folder cannot be written.
        """
        root = self.directory.resolve()
        if self.path.resolve() in (root, *root.parents):
            raise InvalidArgument(
                f"{self.path}: is the folder that is unpacked into, or one above it: no marker",
                hint="name a file for the marker, such as DIR/.complete",
            )
        if self.path.is_dir():
            raise self._refusal(self.path, "is a folder, and no place for a marker", errno.EISDIR)
        above = next(path for path in self.path.parents if os.path.lexists(path))
        if not above.is_dir():
            raise self._refusal(above, "is no folder, and can hold no marker", errno.ENOTDIR)
        if not os.path.lexists(self.path) and not os.access(above, os.W_OK | os.X_OK):
            why = "the marker cannot be written there"
            raise self._refusal(above, why, errno.EACCES)

    def _refusal(self, path: Path, why: str, number: int) -> FileError:
        return FileError(
            f"{path}: {why}",
            path=path,
            errno=number,
            hint="name a file for the marker, in a folder that can be written",
        )

    def read(self) -> Marked | None:
        """What the marker says, if all of its files stand as they stood when it was written.

        Sizes and times are compared, not bytes: it takes a moment, whatever the kit's size.

        Raises:
            AlreadyExists: a file of another kind stands there; it is left alone.
            FileError: it cannot be read.
        """
        said = self._load()
        if said is None or said.get("choice") != self._choice():
            return None
        files: dict[str, list[int]] = said["files"]
        for name, stamp in files.items():
            if _stamp(self.directory / name) != stamp:
                return None
        return Marked(said["digest"], tuple(said["parents"]), len(files), said["verified"])

    def clear(self) -> None:
        """Takes the marker away, before the folder changes.

        Raises:
            FileError: it cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise file_error(error, self.path) from error

    def refuse_unverified(self, kept: int) -> None:
        """Nobody can vouch for files that were there before.

        Raises:
            AlreadyExists: there are such files.
        """
        if kept:
            what = "1 file was" if kept == 1 else f"{kept} files were"
            raise AlreadyExists(
                f"{self.directory}: {what} there before and kept, unverified: no marker for that",
                path=self.directory,
                hint="replace what is there with --overwrite, or leave out --marker",
            )

    def write(
        self, digest: str, parents: Iterable[str], names: Iterable[str], verified: str
    ) -> None:
        """Vouches for files that are verified, and safely on the disk.

        Args:
            digest: the kit.
            parents: the kits its model comes from.
            names: the files, relative to the folder.
            verified: what the weakest of them was held against, "layer" or "file".

        Raises:
            InvalidArgument: one of the files has the marker's own name; it is removed.
            FileError: the marker cannot be written, or a file has gone meanwhile.
        """
        unique = sorted(set(names))
        if self.take_back(unique):
            raise self._is_taken()
        files = {name: _stamp(self.directory / name, needed=True) for name in unique}
        said = {
            "kind": KIND,
            "digest": digest,
            "parents": list(parents),
            "verified": verified,
            "choice": self._choice(),
            "files": files,
        }
        write_atomically(self.path, json.dumps(said).encode() + b"\n")
        _set_apart(self.path)

    def refuse(self, names: Iterable[str]) -> None:
        """Refuses files that are to come, where one would come to the marker's place.

        Raises:
            InvalidArgument: one would.
        """
        place = self.path.parent.resolve() / self.path.name
        root = self.directory.resolve()
        if place.is_relative_to(root) and str(place.relative_to(root)) in map(clean, names):
            raise self._is_taken()

    def take_back(self, names: Iterable[str]) -> bool:
        """Removes the file in the marker's place, if it is one of these of the kit.

        Whoever waits for the marker must not take it for one. Names can lie: a folder may be
        mounted twice, or not tell `A` from `a`.

        Returns:
            Whether there was one.

        Raises:
            FileError: it cannot be removed.
        """
        try:
            there = os.lstat(self.path)
        except OSError:
            return False  # None is there, or none that could be waited for.
        for name in names:
            with contextlib.suppress(OSError):  # It has gone, and is not the one.
                if os.path.samestat(there, os.lstat(self.directory / name)):
                    self.clear()
                    return True
        return False

    def _is_taken(self) -> InvalidArgument:
        return InvalidArgument(
            f"{self.path}: is a file of the kit", hint="name another file for the marker"
        )

    def _choice(self) -> dict[str, list[str]]:
        choice = self.choice
        return {
            "filters": sorted(choice.filters),
            "include": sorted(choice.include),
            "exclude": sorted(choice.exclude),
        }

    def _load(self) -> dict[str, Any] | None:
        try:
            data = read_bounded(self.path, _LIMIT)
        except Corrupt:
            data = b""
        if data is None:
            return None
        is_ours = _second(self.path) == _MARKER_SECOND
        said: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(data)
        if not isinstance(said, dict) or said.get("kind") != KIND:
            raise AlreadyExists(
                f"{self.path}: is there, and is no marker of kitfast",
                path=self.path,
                hint="name another file for the marker",
            )
        return said if is_ours and _is_sound(said) else None


def _is_sound(said: dict[str, Any]) -> bool:
    """Whether every field is of its kind: whoever may write to a volume may write markers."""
    files, parents = said.get("files"), said.get("parents")
    return (
        isinstance(said.get("digest"), str)
        and said.get("verified") in ("layer", "file")
        and isinstance(parents, list)
        and all(isinstance(parent, str) for parent in parents)
        and isinstance(files, dict)
        # One that names nothing would hold of any folder.
        and bool(files)
        and all(_is_inside(name) for name in files)
        and all(_is_stamp(stamp) for stamp in files.values())
    )


def _is_inside(name: str) -> bool:
    return "\0" not in name and not name.startswith("/") and ".." not in name.split("/")


def _is_stamp(stamp: Any) -> bool:
    """Whether it is that of a file: there is none of a file that is not there."""
    return isinstance(stamp, list) and len(stamp) > 1 and all(type(one) is int for one in stamp)


def _set_apart(path: Path) -> None:
    """Gives a marker the time that no file of a kit has."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.utime(handle, (time.time(), _MARKER_SECOND))
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise file_error(error, path) from error


def _second(path: Path) -> int | None:
    """The second in which a file was changed; None where it has gone."""
    try:
        return path.stat().st_mtime_ns // 10**9
    except OSError:
        return None


def _stamp(path: Path, *, needed: bool = False) -> list[int]:
    """Size and time of change of a file, nothing where there is none.

    A content that `--link` shares with the store has the store's sentinel for a time, and
    all contents have the same: there the inode tells files of one size apart. The
    nanoseconds change when the store hashes a content again, which changes no byte.
    """
    try:
        stat = os.lstat(path)
    except (OSError, ValueError) as error:
        if needed and isinstance(error, OSError):
            raise file_error(error, path) from error
        return []
    if stat.st_mtime_ns // 10**9 == _SENTINEL_SECOND:
        return [stat.st_size, _SENTINEL_SECOND, stat.st_ino]
    return [stat.st_size, stat.st_mtime_ns]
