"""Decides which range of a blob is asked for next, and how large it is."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

MIB = 1024 * 1024

# A ranged GET costs a registry about 1 ms and capped storage about 30 ms before
# the first byte: below 8 MiB that shows, above 32 MiB a lost part costs too much.
SMALLEST_PART = 8 * MIB
LARGEST_PART = 32 * MIB

# What comes before its turn waits in memory for the hash, as far as there is room for it,
# and is read back otherwise. Of parts under way at once about half the bytes are early.
SIDE_BY_SIDE = 128 * MIB

# A remainder smaller than this share of a part is not worth a request of its own.
SLIVER = 8


@dataclass(frozen=True, order=True)
class Part:
    """A half-open range of a blob, `start <= offset < end`, asked for in one request."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes the part covers."""
        return self.end - self.start


def part_size(
    remaining: int, connections: int, most: int = LARGEST_PART, sharing: int | None = None
) -> int:
    """How large the next part is when `remaining` bytes of a blob are left.

    Parts are large while there is much left and shrink towards the end, so that those who
    share a blob finish at about the same time; a lone connection has none to wait for.
    Many connections get smaller ones, so that what comes early still fits in memory.

    Args:
        remaining: bytes nobody has asked for yet.
        connections: how many connections there are, at least 1.
        most: bytes of the largest part.
        sharing: how many of the connections this blob has, at least 1; None for all.

    Returns:
        A size in bytes between `SMALLEST_PART` and `most`.
    """
    sharing = sharing or connections
    if sharing > 1:
        remaining = min(remaining // 2 // sharing, SIDE_BY_SIDE // connections)
    return min(max(remaining, SMALLEST_PART), most)


class Plan:
    """The ranges of one blob that nobody has asked for yet; no clock and no I/O."""

    def __init__(self, missing: Iterable[tuple[int, int]], *, fixed: int | None = None) -> None:
        """Plans what is missing.

        Args:
            missing: half-open ranges in any order that do not overlap.
            fixed: a part size in bytes that replaces the adaptive one.
        """
        self._ranges = sorted(Part(start, end) for start, end in missing if start < end)
        self._fixed = fixed

    @property
    def remaining(self) -> int:
        """Bytes nobody has asked for yet."""
        return sum(part.length for part in self._ranges)

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def take(
        self,
        connections: int,
        wish: tuple[int, int] | None = None,
        most: int = LARGEST_PART,
        sharing: int | None = None,
    ) -> Part | None:
        """Takes the next part: the wished-for header first, else the lowest range.

        Args:
            connections: how many connections there are.
            wish: (offset, length) of a header worth fetching on its own; ignored
                where it is not among the ranges any more.
            most: bytes of the largest part.
            sharing: how many of the connections this blob has; None for all.

        Returns:
            The part, which is no longer in the plan, or None when nothing is left.
        """
        if wish is not None:
            header = self._carve(wish[0], wish[0] + wish[1])
            if header is not None:
                return header
        if not self._ranges:
            return None
        first = self._ranges[0]
        size = self._fixed or part_size(self.remaining, connections, most, sharing)
        end = first.start + size
        if first.end - end < size // SLIVER:
            end = first.end
        return self._carve(first.start, end)

    def use_up(self, connections: int) -> int:
        """Takes everything; returns how many parts it fell into."""
        size = self._fixed or part_size(2**63, connections)
        # As long as so much is left they are all of one size, and need not be taken one by
        # one: a manifest may claim 2 ** 63 bytes.
        left = (2 * connections + 2) * size
        count = 0
        for at, part in enumerate(self._ranges):
            equal = max(part.length - left, 0) // size
            self._ranges[at] = Part(part.start + equal * size, part.end)
            count += equal
        while self.take(connections) is not None:
            count += 1
        return count

    def put_back(self, part: Part) -> None:
        """Returns a part, or the rest of one, that somebody else shall ask for."""
        if part.start < part.end:
            insort(self._ranges, part)

    def _carve(self, start: int, end: int) -> Part | None:
        """Cuts `start..end` out of the range that holds `start`, or finds nothing there."""
        at = bisect_right(self._ranges, start, key=lambda part: part.start) - 1
        if at < 0 or start >= self._ranges[at].end or start >= end:
            return None
        held = self._ranges[at]
        cut = Part(start, min(end, held.end))
        rest = (Part(held.start, cut.start), Part(cut.end, held.end))
        self._ranges[at : at + 1] = [part for part in rest if part.length]
        return cut
