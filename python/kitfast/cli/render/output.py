"""Writes results to standard output, whole or with a failure that is told."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# 128 + SIGPIPE: what a shell shows for a program whose reader has gone.
BROKEN_PIPE = 141


class OutputClosed(Exception):
    """Nobody reads standard output any more, as in `kitfast list | head -1`."""


def put(text: str) -> None:
    """Writes and flushes, so that a full disk or a closed pipe is noticed here.

    Raises:
        OutputClosed: the reader has gone.
        OSError: the text could not be written; its text says where to.
    """
    if not text:
        return
    with _told():
        # A file name may hold bytes that are no text: show them, do not die of them.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


def put_bytes(data: bytes) -> None:
    """Writes bytes as they are; else as `put`."""
    with _told():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def _told() -> Iterator[None]:
    """Tells failures of standard output from all others."""
    if sys.stdout is None:  # closed before this program began, as by `>&-`
        raise OSError(errno.EBADF, "cannot write to standard output: it is closed")
    try:
        yield
    except OSError as error:
        _abandon()
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from error
        raise OSError(error.errno, f"cannot write to standard output: {error.strerror}") from error


def write(text: str) -> int:
    """Writes a command's whole output and returns its exit status."""
    try:
        put(text)
    except OutputClosed:
        return BROKEN_PIPE
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror}\n")
        return 1
    return 0


def _abandon() -> None:
    """Points standard output at nothing, or Python complains once more at its exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
