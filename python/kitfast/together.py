"""Runs coroutines side by side; when one fails, the others end before it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

#: Told to a task that is cancelled because others bring what it would have brought: nobody
#: it waits for is to blame.
NOT_NEEDED = "not needed any more"


async def together(
    coroutines: Iterable[Coroutine[Any, Any, T]], *, at_once: int | None = None
) -> list[T]:
    """Runs all coroutines, at most `at_once` at a time; returns their results in order.

    Python 3.10 has no TaskGroup, and `gather` leaves tasks running behind a failure:
    a transfer that goes on after its error was reported writes into closed landings.

    Raises:
        the first failure, once every other coroutine has been cancelled and has ended.
    """
    gate = asyncio.Semaphore(at_once) if at_once else None

    async def gated(coroutine: Coroutine[Any, Any, T]) -> T:
        if gate is None:
            return await coroutine
        started = False
        try:
            async with gate:
                started = True
                return await coroutine
        finally:
            if not started:
                coroutine.close()

    tasks = [asyncio.ensure_future(gated(coroutine)) for coroutine in coroutines]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        # In order, so that the same error is told whenever several fail.
        for task in tasks:
            if task.done():
                task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
