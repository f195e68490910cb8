"""Keeps account of where a transfer's time goes, and says what held it back.

Nothing is guessed: every span of time was measured around one thing that was waited
for. Spans that overlap share their time evenly, so that the shares are of the wall
clock however many connections there were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, process_time
from typing import Literal

Cause = Literal["network", "registry", "disk", "hash", "cpu", "max-rate"]
CAUSES: tuple[Cause, ...] = ("network", "registry", "disk", "hash", "cpu", "max-rate")

# Beyond this share of all cores the process itself is what there is too little of.
BUSY = 0.85


@dataclass(frozen=True)
class Flow:
    """How a transfer went.

    Fields:
        layers: how many layers it was about.
        moved: bytes that crossed the network.
        seconds: how long it took.
        rate: bytes a second.
        held_back_by: what it waited for most; None when nothing was moved.
        share: the share of the time, 0 to 1, that is put down to it.
        shares: the same for every cause: `network` sockets were empty, or full when
            sending; `registry` an answer was waited for; `disk` bytes were written or
            read; `hash` bytes waited to be verified; `cpu` none of these; `max-rate`
            the limit that was set.
        cpu: the share of all cores' time this process used.
    """

    layers: int
    moved: int
    seconds: float
    rate: float
    held_back_by: Cause | None
    share: float
    shares: Mapping[str, float]
    cpu: float


@dataclass(frozen=True)
class _Span:
    """A stretch of time and what it went to; `alone` when it held up everything."""

    begin: float
    end: float
    parts: Mapping[Cause, float]
    alone: bool = False


class Account:
    """The spans of one transfer; begins when it is made."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = monotonic,
        cpu: Callable[[], float] = process_time,
        cores: int | None = None,
    ) -> None:
        """Begins now.

        Args:
            clock: seconds that pass; every time given to `add` is one of these.
            cpu: seconds of all cores that this process has used.
            cores: how many it may use; None asks the system.
        """
        self._clock, self._cpu = clock, cpu
        self._cores = cores or available_cores()
        self._begun, self._cpu_begun = clock(), cpu()
        self._spans: list[_Span] = []

    def add(
        self, begin: float, end: float, parts: Mapping[Cause, float], *, alone: bool = False
    ) -> None:
        """Enters a span.

        Args:
            begin: when it began.
            end: when it ended.
            parts: seconds of it by cause; what they leave over is the CPU's.
            alone: nothing else could go on meanwhile, whatever other spans say.
        """
        length = end - begin
        if length <= 0:
            return
        # Causes that are waited for by several at once may add up to more.
        scale = 1.0 / max(length, sum(parts.values()))
        shares: dict[Cause, float] = {cause: took * scale for cause, took in parts.items()}
        rest = 1.0 - sum(shares.values())
        shares["cpu"] = shares.get("cpu", 0.0) + max(rest, 0.0)
        self._spans.append(_Span(begin, end, shares, alone))

    @contextmanager
    def during(self, cause: Cause, *, alone: bool = False) -> Iterator[None]:
        """Enters the time the block takes."""
        begin = self._clock()
        try:
            yield
        finally:
            end = self._clock()
            self.add(begin, end, {cause: end - begin}, alone=alone)

    def flow(self, *, layers: int, moved: int) -> Flow:
        """Sums up what has been entered, as of now."""
        seconds = max(self._clock() - self._begun, 1e-6)
        cpu = (self._cpu() - self._cpu_begun) / (self._cores * seconds)
        shares = {cause: taken / seconds for cause, taken in _split(self._spans).items()}
        cause = max(CAUSES, key=lambda one: shares.get(one, 0.0))
        share = shares.get(cause, 0.0)
        if cpu >= BUSY and cause != "max-rate":
            cause, share = "cpu", min(cpu, 1.0)
        return Flow(
            layers,
            moved,
            round(seconds, 3),
            round(moved / seconds, 1),
            cause if moved else None,
            round(share, 3) if moved else 0.0,
            {one: round(shares.get(one, 0.0), 3) for one in CAUSES},
            round(cpu, 3),
        )


def _split(spans: list[_Span]) -> dict[Cause, float]:
    """Seconds by cause: each moment is split evenly among the spans that cover it."""
    borders = sorted(
        [(span.begin, 1, span) for span in spans] + [(span.end, -1, span) for span in spans],
        key=lambda border: border[:2],
    )
    taken = dict.fromkeys(CAUSES, 0.0)
    # By whether spans hold up everything: how many there are now, and of what they are.
    count = {True: 0, False: 0}
    weight = {alone: dict.fromkeys(CAUSES, 0.0) for alone in count}
    before = 0.0
    for at, step, span in borders:
        ruling = count[True] > 0
        if count[ruling]:
            for cause in CAUSES:
                taken[cause] += (at - before) * weight[ruling][cause] / count[ruling]
        count[span.alone] += step
        for cause, part in span.parts.items():
            weight[span.alone][cause] += step * part
        before = at
    return {cause: max(seconds, 0.0) for cause, seconds in taken.items()}


def available_cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no such call on macOS
        return os.cpu_count() or 1
