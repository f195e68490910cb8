"""Holds a transfer to so many bytes a second, all connections together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

# Nobody sleeps longer than this at a time, so that whoever watches sees a live request.
LONGEST_SLEEP = 0.5


class Bucket:
    """A token bucket that is empty at first and never holds more than it must.

    What was not used is not saved up: a pause is not followed by a burst.
    """

    def __init__(self, rate: int, *, clock: Callable[[], float] = monotonic) -> None:
        """Lets `rate` bytes a second through, at least 1."""
        self.rate = max(rate, 1)
        self._clock = clock
        self._free_at = clock()

    @property
    def piece(self) -> int:
        """How many bytes at a time keep the flow even: a tenth of a second's."""
        return max(self.rate // 10, 1024)

    async def take(self, count: int) -> float:
        """Waits until `count` more bytes may pass; returns the seconds it waited.

        Callers are served in the order they came.
        """
        begun = self._clock()
        self._free_at = max(self._free_at, begun) + count / self.rate
        mine = self._free_at
        while (left := mine - self._clock()) > 0:
            await asyncio.sleep(min(left, LONGEST_SLEEP))
        return self._clock() - begun
