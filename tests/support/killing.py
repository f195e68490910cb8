"""Kills a command at many points of its run, and lets a check look after each."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.commands import Kitfast, wait


def kill_often(
    kitfast: Kitfast,
    words: tuple[str | Path, ...],
    *,
    times: int,
    longest_seconds: float,
    check: Callable[[], None],
) -> int:
    """Starts a command `times` times and kills each with SIGKILL at a random point.

    `longest_seconds` is how long a whole run takes. Returns how many were still running
    when they were killed; a command that ended before that must have ended well.
    """
    chance = random.Random(times)
    killed = 0
    for number in range(times):
        child = kitfast.start(*words)
        # Spread over the run: every stretch of it is hit once.
        time.sleep(longest_seconds * (number + chance.random()) / times)
        # Popen.kill would reap a child that has ended, and wait() could not.
        os.kill(child.pid, signal.SIGKILL)
        wait(child)
        assert child.returncode in (0, -9), f"{words} ended with {child.returncode}"
        killed += child.returncode == -9
        check()
    return killed


def wait_for_journals(folder: Path, count: int) -> None:
    """Returns when journals below `folder` have been written `count` times.

    Watching them instead of the clock: how long a start takes is up to the machine.
    """
    deadline = time.monotonic() + 60
    written: set[tuple[str, int]] = set()
    while len(written) < count:
        assert time.monotonic() < deadline, f"{len(written)} journals below {folder} in a minute"
        # They are replaced by a rename all the while, and folders around them come and go.
        with contextlib.suppress(FileNotFoundError):
            for path in folder.rglob("journal"):
                written.add((str(path), path.stat().st_mtime_ns))
        time.sleep(0.02)
