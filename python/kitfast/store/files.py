"""Writes small files whole or not at all, and reads them with a bound."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from kitfast.errors import Corrupt, FileError, NoSpace

#: No manifest, config or reference is larger (registries refuse manifests over 4 MiB).
SMALL_FILE_LIMIT = 4 * 1024 * 1024


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Puts `data` at `path` by a rename, so that a crash leaves the old file or the new one.

    Raises:
        NoSpace: the disk is full.
        FileError: the folder cannot be written.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise file_error(error, path) from error


def read_bounded(path: Path, limit: int = SMALL_FILE_LIMIT) -> bytes | None:
    """Reads a small file; None when there is none.

    Raises:
        Corrupt: the file is larger than `limit` bytes.
        FileError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise file_error(error, path) from error
    if len(data) > limit:
        raise Corrupt(f"{path}: larger than {limit} bytes, which no such file is", what=str(path))
    return data


def file_error(error: OSError, path: Path) -> FileError | NoSpace:
    """The exception of kitfast for what the system said about `path`."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{path}: no space left on the device", path=path)
    return FileError(f"{path}: {error.strerror or error}", path=path, errno=error.errno)
