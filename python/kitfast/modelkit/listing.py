"""Lists a folder for `init`: names and sizes, two levels deep."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kitfast.errors import FileError, NotFound
from kitfast.kitfile.generate import ListedFile, ListedFolder
from kitfast.modelkit.walk import STAGING_PREFIX

# A licence is some 35 KiB at most; what is larger is none.
_MAX_LICENSE = 256 * 1024
# Guessing looks into the folders of a folder, and no deeper.
_DEPTH = 2


def list_folder(directory: str | os.PathLike[str]) -> ListedFolder:
    """Returns what lies in `directory`; links and special files are left out, as in a pack.

    Raises `NotFound` when it is not a folder and `FileError` for what cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise NotFound(f"{root} is not a folder", path=str(root))
    try:
        return _list(root, ".", _DEPTH)
    except OSError as error:
        raise _file_error(error, root) from None


def license_text(directory: str | os.PathLike[str], listing: ListedFolder) -> str | None:
    """Returns the content of the folder's licence file, the last one as in kit, if any.

    Raises `FileError` when it cannot be read.
    """
    names = [file.path for file in listing.files if file.path.lower().startswith("license")]
    if not names:
        return None
    path = Path(directory) / names[-1]
    try:
        with path.open("rb") as file:
            return file.read(_MAX_LICENSE).decode("utf-8", "replace")
    except OSError as error:
        raise _file_error(error, path) from None


def _list(root: Path, path: str, depth: int) -> ListedFolder:
    files: list[ListedFile] = []
    folders: list[ListedFolder] = []
    with os.scandir(root / path) as entries:
        names = sorted((entry.name for entry in entries), key=os.fsencode)
    for name in names:
        inner = name if path == "." else f"{path}/{name}"
        status = (root / inner).lstat()
        if stat.S_ISREG(status.st_mode):
            files.append(ListedFile(inner, status.st_size))
        elif stat.S_ISDIR(status.st_mode) and not name.startswith(STAGING_PREFIX):
            folders.append(_list(root, inner, depth - 1) if depth > 1 else ListedFolder(inner))
    return ListedFolder(path, files, folders)


def _file_error(error: OSError, path: Path) -> FileError:
    where = str(error.filename or path)
    return FileError(f"cannot read {where}: {error.strerror}", path=where, errno=error.errno)
