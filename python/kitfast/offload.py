"""Runs a blocking call of the core on a thread, and cancels it with its task.

`asyncio.to_thread` alone leaves the thread running when the task is cancelled, and
then the interpreter waits for it at exit: Ctrl-C would seem to hang. Here the meter
carries the cancellation into the core, and the task ends when the thread has.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

# Often enough for a display, and to learn soon how fast a link is; reading a meter
# costs nothing.
TICK_SECONDS = 0.05


def _give_way() -> None:
    """Lets this thread wait its turn when it wakes, instead of pushing another one aside.

    What brings bytes wakes for every packet or so; what hashes them was then behind and read
    them back. With sixteen connections on two cores that took 5 % more time. Its share of
    the cores stays the same. Threads it starts are like it.
    """
    if sys.platform != "linux":
        return
    # A sandbox may forbid it, which costs that speed and nothing else.
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


# Threads of our own: a few long calls must not hold up the loop's default pool, which
# also resolves names. The core brings its own workers, so these mostly wait.
_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="kitfast", initializer=_give_way)


class Cancellable(Protocol):
    """The part of `_core.Meter` this module uses."""

    def cancel(self) -> None: ...


async def run(
    function: Callable[..., Result],
    *args: Any,
    meter: Cancellable | None = None,
    tick: Callable[[], None] | None = None,
    **kwargs: Any,
) -> Result:
    """Calls `function(*args, **kwargs)` on a thread and returns what it returns.

    A `meter` is passed on as the call's own `meter` argument. Cancelling the task
    cancels the meter and waits for the thread, so no work goes on behind a caller
    that has given up; without a meter it waits for the call to end by itself.

    Args:
        tick: called on the event loop twenty times a second, and once at the end.

    Raises:
        Whatever `function` raises, and `asyncio.CancelledError` when cancelled.
    """
    if meter is not None:
        kwargs["meter"] = meter
    context = contextvars.copy_context()
    call = functools.partial(context.run, function, *args, **kwargs)
    # A future and not a task: tasks are all cancelled when a loop ends, and this one
    # would then look done while its thread still runs.
    work = asyncio.get_running_loop().run_in_executor(_threads, call)
    try:
        await _wait(work, tick)
    except BaseException:
        if meter is not None:
            meter.cancel()
        await _settle(work)
        raise
    if tick is not None:
        tick()
    return work.result()


async def _wait(work: asyncio.Future[Result], tick: Callable[[], None] | None) -> None:
    if tick is None:
        await asyncio.wait([work])
        return
    while not work.done():
        await asyncio.wait([work], timeout=TICK_SECONDS)
        if not work.done():
            tick()


async def _settle(work: asyncio.Future[Any]) -> None:
    # A second cancellation must not abandon the thread either: swallow it and keep
    # waiting. The first one is on its way up already.
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    if not work.cancelled():
        work.exception()  # seen: what a cancelled call fails with is no news
