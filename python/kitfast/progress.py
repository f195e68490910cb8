"""What a running verb tells its caller: one event type, no printing.

A verb calls `progress(Progress(…))` from the event loop's thread; a callback that
raises fails the verb, so a broken display is seen and not swallowed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Step = Literal["hash", "pack", "download", "upload", "unpack", "verify", "measure"]

# Ten events a second and name are as many as an eye can use.
INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class Whole:
    """All pieces of one step together, also those that have not begun: bytes, and how many."""

    size: int
    pieces: int


@dataclass(frozen=True)
class Progress:
    """How far one named piece of work is.

    Fields:
        step: what is being done.
        name: what it is done to, for people: a path, or a layer's kind and digest.
        done: bytes done, `reused` ones included.
        total: bytes in all, or None while unknown.
        reused: bytes that were there already and need no work.
        finished: nothing more follows for this step and name.
        whole: what this piece is a part of, where that is known.
    """

    step: Step
    name: str
    done: int
    total: int | None
    reused: int = 0
    finished: bool = False
    whole: Whole | None = None


Callback = Callable[[Progress], None]


class Reporter:
    """Sends one piece of work's events to a callback, throttled, and its end always.

    `add` and `at` are cheap enough to call for every buffer. With no callback they
    only count.
    """

    def __init__(
        self,
        callback: Callback | None,
        step: Step,
        name: str,
        total: int | None = None,
        reused: int = 0,
        whole: Whole | None = None,
    ) -> None:
        self._callback = callback
        self._state = Progress(step, name, done=reused, total=total, reused=reused, whole=whole)
        self._done = reused
        self._next = 0.0

    @property
    def done(self) -> int:
        """Bytes done so far."""
        return self._done

    def add(self, count: int) -> None:
        """Counts `count` more bytes; a negative count takes back what must be redone."""
        self.at(self._done + count)

    def reuse(self, count: int) -> None:
        """Says that `count` bytes, all that is done, were there already."""
        self._done = count
        self._state = replace(self._state, reused=count)

    def at(self, done: int, total: int | None = None) -> None:
        """Sets the bytes done, and the total where it is now known."""
        self._done = done
        if self._callback is None or self._state.finished:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL_SECONDS
        self._emit(total, finished=False)

    def finish(self) -> None:
        """Sends the last event; calls after the first do nothing."""
        if self._callback is not None and not self._state.finished:
            self._emit(None, finished=True)

    def _emit(self, total: int | None, *, finished: bool) -> None:
        total = self._state.total if total is None else total
        self._state = replace(self._state, done=self._done, total=total, finished=finished)
        assert self._callback is not None  # both callers have looked
        self._callback(self._state)
