"""An event loop on a thread of its own, for a file that outlives its `open`."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

log = logging.getLogger("kitfast")

#: What an exit waits for a loop at most: connections are closed in less, and a process that
#: is told to end must end.
EXIT_SECONDS = 0.5


class Worker:
    """A loop on a thread, with what is open as long as it runs in `stack`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=_serve, args=[self._loop], name="kitfast-open", daemon=True
        )
        self._lock, self._closed = threading.Lock(), False
        self._thread.start()
        self.stack = AsyncExitStack()
        _running.add(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns that runs on the loop.

        Raises:
            ValueError: there is no loop any more.
            concurrent.futures.CancelledError: it was closed meanwhile.
        """
        return self.submit(work).result()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine on the loop; raises `ValueError` as `run`."""
        with self._lock:
            if self._closed:
                work.close()
                raise ValueError("the file is closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self, patience: float | None = None) -> None:
        """Ends what still runs, such as the work of an `open` that was given up.

        Args:
            patience: seconds to wait for that; None waits till it is done.
        """
        # After a fork, and when Python is being taken down, nothing runs on the thread any
        # more, and whoever waits for it does so for ever: the kernel tidies up instead.
        if sys.is_finalizing() or not self._thread.is_alive():
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        if threading.current_thread() is self._thread:
            return  # A file was collected here: it ends as soon as this thread goes on.
        if wait([ending], patience).not_done:
            log.debug("a file was still at work when the process ended")
            return
        self._thread.join()
        ending.result()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        # Whoever waits for one on another thread would do so for ever.
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stack.aclose()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


# Weakly held, and they know nothing of their files: one that is forgotten is closed, as any is.
_running: WeakSet[Worker] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Closes what is open at exit, as long as there are threads that can do so."""
    for worker in list(_running):
        worker.close(EXIT_SECONDS)
