"""Progress as plain lines for logs: few, whole, and each of use by itself."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from kitfast.cli.failures import printable
from kitfast.cli.render.progress import short
from kitfast.cli.render.units import duration, rate, size
from kitfast.progress import Progress

# A line every ten seconds shows that it lives; one each tenth shows how far it is.
QUIET_SECONDS = 10.0
SHARE = 10
# Tenths of a quick piece would be a burst of lines that tells nothing.
AT_LEAST_SECONDS = 1.0

DONE = {
    "hash": "hashed",
    "pack": "packed",
    "download": "downloaded",
    "upload": "uploaded",
    "unpack": "unpacked",
    "verify": "verified",
    "measure": "measured",
}


@dataclass
class _Piece:
    began: float
    said: float
    tenths: int


class Lines:
    """A progress callback that writes lines to standard error."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], _Piece] = {}

    def __call__(self, event: Progress) -> None:
        now = time.monotonic()
        key = (event.step, event.name)
        piece = self._pieces.setdefault(key, _Piece(now, now, _tenths(event)))
        if event.finished:
            del self._pieces[key]
            self._say(_last_line(event, now - piece.began))
            return
        quiet = now - piece.said
        more = _tenths(event) > piece.tenths
        if quiet >= QUIET_SECONDS or (more and quiet >= AT_LEAST_SECONDS):
            piece.said, piece.tenths = now, _tenths(event)
            self._say(_line(event, now - piece.began))

    def _say(self, line: str) -> None:
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()


def _tenths(event: Progress) -> int:
    return event.done * SHARE // event.total if event.total else 0


def _line(event: Progress, seconds: float) -> str:
    moved = event.done - event.reused
    words = [f"{event.step} {short(event.name)}: {size(event.done)}"]
    if event.total:
        words[0] += f" of {size(event.total)} ({event.done * 100 // event.total} %)"
    if moved > 0 and seconds > 0:
        words.append(rate(moved, seconds))
        if event.total:
            left = max(0, event.total - event.done) / (moved / seconds)
            words.append(f"{duration(left)} left")
    return ", ".join(words)


def _last_line(event: Progress, seconds: float) -> str:
    if event.reused and event.reused == event.done:
        return f"{event.step} {short(event.name)}: already there, {size(event.done)}"
    moved = event.done - event.reused
    words = [f"{DONE[event.step]} {short(event.name)}: {size(event.done)}"]
    if event.reused:
        words.append(f"{size(event.reused)} of it were there")
    # Over a blink a rate is noise.
    if moved > 0 and seconds >= 0.1:
        words.append(rate(moved, seconds))
    return ", ".join(words)
