"""Progress as one line every ten seconds, as `kubectl logs` likes it."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

from kitfast.cli.render.units import rate, size
from kitfast.progress import Progress, Step

SECONDS = 10.0


class Heartbeat:
    """A progress callback that adds up all pieces, and tells of them while it is entered.

    A line comes also when nothing moves: that a transfer hangs must show. The last line
    says how it ended up; work of less than ten seconds has only that one.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._pieces: dict[tuple[Step, str], Progress] = {}
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._over = threading.Event()
        # A thread, as nobody calls when nothing happens.
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._pieces:
            self._say()

    def __call__(self, event: Progress) -> None:
        with self._lock:
            self._pieces[event.step, event.name] = event

    def line(self) -> str:
        """What is done, of what, how fast, and how many pieces are whole."""
        with self._lock:
            pieces = list(self._pieces.values())
        done = sum(piece.done for piece in pieces)
        moved = done - sum(piece.reused for piece in pieces)
        total = _total(pieces)
        words = f"{_steps(pieces)}: {size(done)}"
        if total is not None:
            percent = done * 100 // total if total else 100
            words += f" of {size(total)} ({percent} %)"
        speed = rate(max(0, moved), time.monotonic() - self._began)
        whole = sum(piece.finished for piece in pieces)
        parts = [words, speed, f"{whole} of {_count(pieces)} files and layers done"]
        return ", ".join(part for part in parts if part)

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            self._say()

    def _say(self) -> None:
        line = self.line() if self._pieces else "waiting for the registry"
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _total(pieces: list[Progress]) -> int | None:
    """Bytes of all that is to be done, also of what has not begun; None while unknown."""
    if any(piece.total is None for piece in pieces):
        return None
    return sum(
        max(
            sum(piece.total or 0 for piece in same),
            *(piece.whole.size if piece.whole else 0 for piece in same),
        )
        for same in _by_step(pieces)
    )


def _count(pieces: list[Progress]) -> int:
    """How many pieces there are, also of those that have not begun."""
    return sum(
        max(len(same), *(piece.whole.pieces if piece.whole else 0 for piece in same))
        for same in _by_step(pieces)
    )


def _by_step(pieces: list[Progress]) -> list[list[Progress]]:
    return [
        [piece for piece in pieces if piece.step == step] for step in {one.step for one in pieces}
    ]


def _steps(pieces: list[Progress]) -> str:
    return " and ".join(dict.fromkeys(piece.step for piece in pieces))
