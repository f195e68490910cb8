"""Locks between processes: who may prune, and who fetches a blob.

They are `flock`s on small files, so that the kernel lets go of them when a process
dies. Waiting is done by asking again: a waiter can be cancelled at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic

from kitfast.store.files import file_error

#: Seconds between two tries; far below what a user notices, far above what a core notices.
RETRY_SECONDS = 0.05
#: A wait this long looks like a program that hangs to whoever does not know of it.
LONG_WAIT_SECONDS = 10.0

log = logging.getLogger("kitfast")


class Waiting:
    """Tells of a wait for another process: when it begins, and louder when it lasts."""

    def __init__(self, what: str) -> None:
        """Waits for nothing yet; `what` is what the other process has."""
        self._what = what
        self._since: float | None = None
        self._warned = False

    @property
    def begun(self) -> bool:
        """Whether there was anything to wait for."""
        return self._since is not None

    def goes_on(self) -> None:
        """Takes note that it is still to be waited."""
        now = monotonic()
        if self._since is None:
            self._since = now
            log.info("%s: another process works on it; waiting for that", self._what)
        waited = now - self._since
        if waited >= LONG_WAIT_SECONDS and not self._warned:
            self._warned = True
            log.warning("%s: still waiting for the other process after %.0f s", self._what, waited)


@contextlib.contextmanager
def _opened(path: Path, *, read_only: bool = False) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open(path, read_only)
    except OSError as error:
        raise file_error(error, path) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _open(path: Path, read_only: bool) -> int:
    """Opens a lock to be written, or else, where that is enough, one that is there."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if not read_only or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _take(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def shared(path: Path) -> AsyncIterator[None]:
    """Holds `path` together with others; waits while somebody holds it alone.

    A lock that is there need not be writable: a home may be mounted to be read only.
    """
    with _opened(path, read_only=True) as handle:
        while not _take(handle, fcntl.LOCK_SH):
            await asyncio.sleep(RETRY_SECONDS)
        yield


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Holds `path` alone and yields True, or yields False at once when somebody holds it."""
    with _opened(path) as handle:
        yield _take(handle, fcntl.LOCK_EX)


@contextlib.asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[bool]:
    """Holds `path` alone, waiting for it; yields whether somebody else had it before."""
    with _opened(path) as handle:
        waiting = Waiting(path.name)
        while not _take(handle, fcntl.LOCK_EX):
            waiting.goes_on()
            await asyncio.sleep(RETRY_SECONDS)
        yield waiting.begun
