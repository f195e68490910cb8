"""Lets a changing number of tasks through, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Gate:
    """A semaphore whose width may change while it is held; first come, first served.

    Making it narrower takes nothing away from who is inside: as they leave, fewer
    are let in.
    """

    def __init__(self, width: int) -> None:
        """Opens the gate for `width` tasks, at least 1."""
        self._width = max(width, 1)
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def width(self) -> int:
        """How many may be inside at once."""
        return self._width

    @property
    def inside(self) -> int:
        """How many are inside now."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many want to come in."""
        return len(self._waiting)

    def resize(self, width: int) -> None:
        """Changes the width, at least 1; lets waiting tasks in when it grew."""
        self._width = max(width, 1)
        self._admit()

    async def __aenter__(self) -> None:
        if self._inside < self._width and not self._waiting:
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._withdraw(turn)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _withdraw(self, turn: asyncio.Future[None]) -> None:
        """Forgets a waiting task that was cancelled, perhaps just after it was let in."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled():
            self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._inside < self._width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)
