"""Runs one coroutine so that Ctrl-C and SIGTERM end it, cleanly and soon."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# What still runs this long after the first signal is killed: people wait no longer, and
# journals are written so often that a kill loses a second of work at most.
GRACE_SECONDS = 0.9

STOPPED = "stopped\n"
RESUMABLE = "stopped: what is done so far is kept; the same command goes on from there\n"
SHOW_CURSOR = "\x1b[?25h"


class Interrupted(Exception):
    """A signal ended the command; `status` is the exit status a shell expects."""

    def __init__(self, number: int, farewell: str) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number
        self.farewell = farewell


def run(work: Callable[[], Coroutine[Any, Any, Result]], farewell: str = STOPPED) -> Result:
    """Runs `work()` to its end; `farewell` tells people what a signal has left them with.

    The first signal cancels it, and the program has a second to put things away; a
    second signal kills at once.

    Raises:
        Interrupted: a signal came; the farewell has not been told yet.
    """
    return asyncio.run(_guarded(work, farewell))


async def _guarded(work: Callable[[], Coroutine[Any, Any, Result]], farewell: str) -> Result:
    task = asyncio.ensure_future(work())
    with _Watch(asyncio.get_running_loop(), task, farewell):
        return await task


class _Watch:
    """Turns signals into a cancelled task while its block runs, and a little beyond."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, task: asyncio.Future[Any], farewell: str
    ) -> None:
        self._farewell = farewell
        self._loop = loop
        self._task = task
        self._caught: int | None = None
        self._watchdog: threading.Timer | None = None

    def __enter__(self) -> None:
        # signal.signal and not the loop's own handlers: those wait until the loop is
        # free, and the loop may be the very thing that hangs.
        self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._caught is not None:
            _die(self._caught)
        self._caught = number
        self._watchdog = threading.Timer(GRACE_SECONDS, _die, [number, self._farewell])
        self._watchdog.daemon = True
        self._watchdog.start()
        self._loop.call_soon_threadsafe(self._task.cancel)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._caught is not None and error is not None:
            # Whatever a cancelled verb fails with, the signal is the reason. Handlers and
            # watchdog stay: the loop's threads have yet to end.
            raise Interrupted(self._caught, self._farewell) from None
        if self._watchdog is not None:
            self._watchdog.cancel()  # it was done before it heard of the signal
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _die(number: int, farewell: str = "") -> None:
    """Ends the process without further ado, with the cursor where people can see it."""
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    os.write(2, (cursor + farewell).encode())
    os._exit(128 + number)
