"""Puts a command under a memory limit that counts the page cache too: a cgroup."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


class Limited:
    """A cgroup: whoever enters it lives with the limit; its peaks are watched meanwhile."""

    def __init__(self, folder: Path, version: int) -> None:
        self._folder = folder
        self._limit = "memory.limit_in_bytes" if version == 1 else "memory.max"
        self._kills = "memory.oom_control" if version == 1 else "memory.events"
        self._anonymous = "rss" if version == 1 else "anon"
        #: The most memory that was no page cache, in bytes.
        self.peak_anonymous = 0
        self._over = threading.Event()

    def limit(self, size: int | None) -> None:
        """Sets the limit, in bytes; None takes it away."""
        nothing = "-1" if self._limit == "memory.limit_in_bytes" else "max"
        (self._folder / self._limit).write_text(nothing if size is None else str(size))

    @property
    def members(self) -> Path:
        """The file that puts the process under the limit whose number is written to it."""
        return self._folder / "cgroup.procs"

    def enter(self) -> None:
        """Puts the process that calls this under the limit."""
        self.members.write_text(str(os.getpid()))

    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        return self._number(self._kills, "oom_kill")

    def _number(self, file: str, key: str) -> int:
        text = (self._folder / file).read_text()
        found = re.search(rf"^{key} (\d+)$", text, re.MULTILINE)
        return int(found[1]) if found else 0

    def watch(self) -> None:
        while not self._over.wait(0.02):
            now = self._number("memory.stat", self._anonymous)
            self.peak_anonymous = max(self.peak_anonymous, now)

    def stop(self) -> None:
        self._over.set()


@contextlib.contextmanager
def memory_limit(size: int | None) -> Iterator[Limited]:
    """A cgroup with this limit in bytes, or without one; skips where none can be made."""
    folder, version = _made()
    group = Limited(folder, version)
    watching = threading.Thread(target=group.watch, daemon=True)
    try:
        group.limit(size)
        watching.start()
        yield group
    finally:
        group.stop()
        if watching.ident is not None:
            watching.join()
        _remove(folder)


def _made() -> tuple[Path, int]:
    for parent, version in _parents():
        folder = parent / f"kitfast-test-{os.getpid()}"
        limit = "memory.limit_in_bytes" if version == 1 else "memory.max"
        try:
            folder.mkdir()
        except OSError:
            continue
        if os.access(folder / limit, os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK):
            return folder, version
        folder.rmdir()
    pytest.skip("needs the right to make a cgroup with a memory limit")


def _parents() -> Iterator[tuple[Path, int]]:
    """Where a cgroup of our own can be: in the one we are in, or beside it."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield ROOT / "memory" / path.lstrip("/"), 1
        elif not controllers:
            # In version 2, a group that has processes can seldom have groups with limits.
            own = ROOT / path.lstrip("/")
            yield own, 2
            if own != ROOT:
                yield own.parent, 2


def _remove(folder: Path) -> None:
    """Removes a cgroup as soon as its last process is gone."""
    end = time.monotonic() + 10
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
