"""The folders that `resolve` makes: whole, half-made, and on their way out."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from kitfast.store.files import file_error

#: What is to be removed is called so first: it is gone at once for whoever looks for it.
_GONE = ".gone-"


class Trees:
    """The folders below `trees/` of one home; a name is a digest's hex, and maybe a choice."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "trees"
        self._locks = home / "locks"

    def whole(self, name: str) -> Path:
        """Where a folder is once it is complete: that it is there means just that."""
        return self.folder / name

    def partial(self, name: str) -> Path:
        """Where it is until then; what a killed `resolve` left there, the next goes on with."""
        return self.folder / f".{name}"

    def lock(self, name: str) -> Path:
        """Who makes or removes the folder holds this."""
        return self._locks / f"tree-{name}"

    def names(self, prefix: str) -> list[str]:
        """The names that begin so, of folders that are whole or half-made."""
        return sorted({path.name.removeprefix(".") for path in self._all(prefix, f".{prefix}")})

    def remove(self, path: Path) -> int:
        """Removes a folder of these, whatever modes its kit gave to what is in it.

        Returns:
            The bytes that are free again.

        Raises:
            FileError: something in it cannot be removed.
        """
        try:
            return self._take_apart(self._put_away(path))
        except OSError as error:
            raise file_error(error, path) from error

    def sweep(self) -> int:
        """Removes what somebody was killed removing; as `remove`."""
        return sum([self.remove(path) for path in self._all(_GONE)])

    def clear(self) -> int:
        """Removes that and what is half-made, while nobody makes any of it; as `remove`."""
        return sum([self.remove(path) for path in self._all(".")])

    def _all(self, *prefixes: str) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from [path for path in self.folder.iterdir() if path.name.startswith(prefixes)]

    def _put_away(self, path: Path) -> Path:
        """Gives a folder a name that none ever had: one left behind is in nobody's way."""
        return path.rename(self.folder / f"{_GONE}{secrets.token_hex(8)}")

    def _take_apart(self, top: Path) -> int:
        """Removes a folder and what is in it; links are removed, and never followed.

        Folders in it are moved out of it first. So no path gets too long and no call too
        deep, however deep a kit is, and one that is killed leaves only what `sweep` finds.
        """
        freed = 0
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            folder.chmod(0o700)
            with os.scandir(folder) as entries:
                found = list(entries)
            for entry in found:
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    # To move a folder takes the right to write to it.
                    path.chmod(0o700)
                    waiting.append(self._put_away(path))
                else:
                    status = entry.stat(follow_symlinks=False)
                    freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
                    path.unlink()
            folder.rmdir()
        return freed
