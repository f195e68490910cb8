"""Walks a folder as kit does, for one entry of a Kitfile after the other."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kitfast.errors import InvalidKitfile
from kitfast.kitfile.ignore import Ignore

# Where an unpack puts what is not finished: never part of a kit.
STAGING_PREFIX = ".kitfast-"
# A tar of more members is a mistake, or links that lead to each other.
MAX_MEMBERS = 2_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder on the way; `skipped` says why it is not packed."""

    name: str
    source: str
    status: os.stat_result
    skipped: str = ""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


class Walk:
    """One folder, what is ignored in it, and the paths of all entries."""

    def __init__(
        self, root: Path, ignore: Ignore, paths: Sequence[str], follow_links: bool
    ) -> None:
        self._root = str(root)
        self._ignore = ignore
        self._paths = sorted(set(paths))
        self._follow = follow_links

    def entry(self, base: str) -> Iterator[Found]:
        """Yields what belongs to the entry at `base`: its parents, itself, what is below.

        A folder comes before what it holds, names in the order of their bytes. Raises
        `OSError` as the system does, and `InvalidKitfile` for links that lead in circles.
        """
        hiding = [path for path in self._paths if not base.strip().startswith(path)]
        if base == ".":
            yield from self._below(self._look("."), hiding)
            return
        steps = base.split("/")
        for count in range(1, len(steps) + 1):
            found = self._look("/".join(steps[:count]))
            is_entry = count == len(steps)
            if not self._is_packable(found) or (not is_entry and not found.is_folder):
                return
            ignored = self._is_ignored(found.name)
            if ignored and found.is_folder and not self._ignore.has_exceptions:
                return
            if not ignored:
                _check_readable(found)
                yield found
            if is_entry and found.is_folder:
                yield from self._below(found, hiding)

    def why_empty(self, base: str) -> tuple[str, str]:
        """Returns what is wrong with an entry that has no members, and what may help."""
        steps = base.split("/")
        for count in range(1, len(steps) + 1):
            found = self._look("/".join(steps[:count]))
            if stat.S_ISLNK(found.status.st_mode):
                what = f"{found.name} is a symbolic link"
                return what, "pack what it points to with --follow-links"
            if not found.is_folder and not stat.S_ISREG(found.status.st_mode):
                return f"{found.name} is neither a file nor a folder", "take the entry out"
            if self._is_ignored(found.name):
                return f"{found.name} is ignored", "take it out of .kitignore"
        return "it holds nothing to pack", "take the entry out"

    def _below(self, folder: Found, hiding: list[str]) -> Iterator[Found]:
        # A stack instead of recursion: paths may be deeper than Python's stack.
        waiting: list[tuple[Iterator[Found], tuple[tuple[int, int], ...]]] = []
        waiting.append((iter(self._children(folder)), (_identity(folder),)))
        count = 0
        while waiting:
            children, parents = waiting[-1]
            found = next(children, None)
            if found is None:
                waiting.pop()
                continue
            count += 1
            if count > MAX_MEMBERS:
                raise InvalidKitfile(
                    f"{folder.name} holds more than {MAX_MEMBERS} files and folders"
                )
            left_out = self._leave_out(found, hiding)
            if left_out is None:
                yield found
            elif left_out.skipped:
                yield left_out
            if found.is_folder and (left_out is None or self._may_look_into(found)):
                inner = self._entered(found, parents)
                waiting.append((iter(self._children(found)), inner))

    def _leave_out(self, found: Found, hiding: list[str]) -> Found | None:
        """Returns the reason to leave something out, an empty one for no warning, or None."""
        kind = found.status.st_mode
        if stat.S_ISLNK(kind):
            return _with(found, "a symbolic link; --follow-links packs what it points to")
        if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
            return _with(found, "neither a file nor a folder")
        if self._is_staging(found) or self._is_ignored(found.name):
            return _with(found, "")
        path = found.name.strip()
        for other in hiding:
            if path.startswith(other):
                if path == other or path[len(other)] == "/" or other == ".":
                    return _with(found, "")
                # kit compares the text of paths, so `src` also hides `src2`.
                return _with(found, f"kit leaves it out because its name begins with {other!r}")
        _check_readable(found)
        return None

    def _may_look_into(self, found: Found) -> bool:
        """An ignored folder is looked into only where a `!` rule may take something back."""
        return self._ignore.has_exceptions and not self._is_staging(found)

    def _children(self, folder: Found) -> list[Found]:
        prefix = "" if folder.name == "." else f"{folder.name}/"
        with os.scandir(folder.source) as entries:
            names = sorted((entry.name for entry in entries), key=os.fsencode)
        return [self._look(prefix + name) for name in names]

    def _look(self, name: str) -> Found:
        source = f"{self._root}/{name}"
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode) and self._follow:
            # A link that leads nowhere, or in a circle, is the system's error to tell.
            source = os.path.realpath(source, strict=True)
            status = Path(source).stat()
        return Found(name, source, status)

    def _entered(
        self, found: Found, parents: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[int, int], ...]:
        identity = _identity(found)
        if identity in parents:
            raise InvalidKitfile(
                f"{found.name} is a symbolic link to a folder it lies in",
                hint="without --follow-links such a link is skipped",
                path=found.name,
            )
        return (*parents, identity)

    def _is_packable(self, found: Found) -> bool:
        return stat.S_ISDIR(found.status.st_mode) or stat.S_ISREG(found.status.st_mode)

    def _is_ignored(self, name: str) -> bool:
        return self._ignore.matches(name.strip())

    def _is_staging(self, found: Found) -> bool:
        return found.is_folder and found.name.rpartition("/")[2].startswith(STAGING_PREFIX)


def _with(found: Found, reason: str) -> Found:
    return Found(found.name, found.source, found.status, reason)


def _identity(found: Found) -> tuple[int, int]:
    return found.status.st_dev, found.status.st_ino


def _check_readable(found: Found) -> None:
    """Before anything is packed: a pack that fails after an hour helps nobody."""
    needed = os.R_OK | (os.X_OK if found.is_folder else 0)
    if not os.access(found.source, needed, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), found.name)
