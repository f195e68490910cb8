"""Finds how many connections a link is worth: grows while the rate rises."""

from __future__ import annotations

# Length of one measurement. Shorter ones are ruled by chance, longer ones find
# the right width after the transfer is over.
WINDOW_SECONDS = 0.5

# More connections must bring this much more, or they are given up again.
WORTHWHILE = 1.08

# As many bytes a second as this for every two cores keep them all busy with reading,
# writing and hashing: more connections than one for each two would contend for them.
FAST = 300e6

# On a link that fast a wider try is a loss, most likely, and waits for so many windows.
PATIENCE_WHEN_FAST = 4

# Enough to tell a fast link from a slow one.
GLANCE_SECONDS = 0.05

# Where so few outrun the machine, blobs that come at the same time are hashed together on one
# core: up to four of them in hardly twice the time of one.
TOGETHER = 4

# One to write while another one waits for the network keep a slow disk busy.
FEWEST_FOR_A_DISK = 2

# A registry that said "too many requests" is not tested again for this long.
CALM_SECONDS = 15.0


class Pace:
    """A hill climber over the number of connections; the caller brings the clock.

    It begins with a connection for every two cores, and stays with those only on a link
    that outruns the machine, or there with one for each of several blobs; on any other it
    goes on with `start` after a twentieth of a second.
    It widens by half, waits one window for the new connections to speed up,
    measures one, and goes back if that was no gain. After each vain attempt it
    waits twice as many windows before the next one.
    """

    def __init__(self, start: int, most: int, cores: int) -> None:
        """Begins at `start` connections, or fewer on few cores, and never exceeds `most`."""
        self.start = max(min(start, most), 1)
        self.width = self._enough = min(self.start, max(cores // 2, 1))
        self._most = max(most, 1)
        self._few = self.width < self.start
        self._glance = GLANCE_SECONDS
        self._rate = self._floor_rate = 0.0
        self._before: int | None = None
        self._settling = True
        self._patience = 2
        self._rest = PATIENCE_WHEN_FAST if self.width < self.start else 0
        self._calm_until = 0.0
        self._refused_until = 0.0
        self._window_start: float | None = None
        self._window_bytes = 0
        self._window_full = True

    def begin(self, now: float) -> None:
        """Says that the first bytes are about to come."""
        if self._window_start is None:
            self._window_start = now

    @property
    def few_rate(self) -> float:
        """Bytes a second of the few connections that outrun the machine, 0 without such."""
        return self._rate if self._few and self._before is None else 0.0

    def received(self, count: int, now: float, *, full: bool, blobs: int = 1) -> int:
        """Counts bytes that arrived and returns the width to use from now on.

        Args:
            count: bytes.
            now: a monotonic time in seconds.
            full: whether all connections are in use and more are wanted; only
                windows that were full throughout say anything.
            blobs: how many blobs are on their way side by side.
        """
        if self._window_start is None:
            self._window_start = now
        self._window_bytes += count
        self._window_full = self._window_full and full
        elapsed = now - self._window_start
        rate = self._window_bytes / max(elapsed, GLANCE_SECONDS)
        if elapsed >= self._glance and self._learn(rate, elapsed, now, blobs):
            self._window_start, self._window_bytes, self._window_full = now, 0, True
        return self.width

    def _learn(self, rate: float, elapsed: float, now: float, blobs: int) -> bool:
        """Takes what the window says so far; true where the next one begins."""
        if self._window_full:
            self._rate = rate
        elif self.width < self.start:
            # What came while nobody waited for a connection says nothing of the link.
            return True
        if self._is_too_narrow(rate, now):
            self.width, self._rest = self.start, 0
            self._before, self._settling, self._few = None, True, False
            return True
        if self._follow(blobs, now):
            self._settling = True
            return True
        if elapsed < WINDOW_SECONDS:
            return False
        self._judge(rate, now)
        return True

    def _follow(self, blobs: int, now: float) -> bool:
        """Has a connection for each of a few blobs; true where that is a change."""
        if not self._few or self._before is not None or now < self._refused_until:
            return False
        before = self.width
        self.width = min(max(self._enough, min(blobs, TOGETHER)), self.start)
        # New connections bring nothing at first: a glance would take the link for a slow one.
        self._glance = WINDOW_SECONDS if self.width > before else self._glance
        return self.width != before

    def refused(self, now: float, retry_after: float = 0.0) -> int:
        """Halves the width after a 429 or 503; at most once for one wave of them."""
        if now >= self._calm_until - CALM_SECONDS + 1.0:
            narrow = self.width < self.start
            self.width = max(self.width // 2, 1)
            self.start = max(self.start // 2, 1) if narrow else self.width
        self._calm_until = self._refused_until = now + max(CALM_SECONDS, retry_after)
        self._before = None
        return self.width

    def failed(self, now: float) -> int:
        """Takes one connection away after a broken one, and grows no more for a while."""
        if self.width < self.start:
            self.start -= 1
        else:
            self.width = self.start = max(self.width - 1, 1)
        self._calm_until = max(self._calm_until, now + CALM_SECONDS / 3)
        self._before = None
        return self.width

    def disk_is_behind(self, now: float) -> int:
        """Takes one connection away where writes wait for the disk, and grows no more soon.

        They share its rate, and each more of them only keeps more bytes in the page cache.
        """
        if self.width > FEWEST_FOR_A_DISK:
            self.width = self.start = self.width - 1
            self._calm_until = max(self._calm_until, now + CALM_SECONDS / 3)
            self._before, self._few = None, False
        return self.width

    def _is_too_narrow(self, rate: float, now: float) -> bool:
        calm = now < self._refused_until
        return self.width < self.start and not calm and rate < FAST * self._enough

    def _judge(self, rate: float, now: float) -> None:
        if not (self._window_full and rate) or now < self._calm_until:
            # Silence is no gain over silence: a registry that hangs gets no more to do.
            self._settling = True
        elif self._settling:
            self._settling = False
        elif self._before is not None:
            self._conclude(rate)
        elif self._rest > 0:
            self._rest -= 1
        elif self.width < self._most:
            self._widen(rate)

    def _widen(self, rate: float) -> None:
        self._floor_rate, self._before = rate, self.width
        self.width = min(self.width + max(self.width // 2, 1), self._most)
        self._settling = True

    def _conclude(self, rate: float) -> None:
        if rate >= self._floor_rate * WORTHWHILE:
            self._patience, self._few = 2, False
        else:
            self.width = self._before or self.width
            self._rest, self._patience = self._patience, min(self._patience * 2, 64)
        self._before = None
        self._settling = True
