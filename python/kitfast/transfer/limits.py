"""The budget of connections and bytes that all transfers of an event loop share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from time import monotonic
from weakref import WeakKeyDictionary

from kitfast._core import memory_limit
from kitfast.transfer.account import available_cores
from kitfast.transfer.gate import Gate
from kitfast.transfer.pace import Pace
from kitfast.transfer.plan import LARGEST_PART, MIB
from kitfast.transfer.rate import Bucket

CONNECTIONS = 8
MOST_CONNECTIONS = 32
BLOBS_SIDE_BY_SIDE = 5

# What few connections are asked for at a time: a request costs some registries 5 ms of
# CPU, which shows where the link outruns the machine.
LONG_PART_SECONDS = 0.5
LONGEST_PART = 512 * MIB

# Bytes on their way or written but not hashed yet. Up to this much the hash may
# fall behind before fewer parts are asked for; they sit in the page cache, which
# counts to a container's memory limit.
MOST_BYTES = 1024 * MIB
LEAST_BYTES = 64 * MIB

# A cold pull-through cache answers the first range with 200 and later ones with
# 206, so that "this host has no ranges" is not remembered for ever.
REMEMBER_SECONDS = 600.0

_without_ranges: dict[str, float] = {}
_without_chunks: set[str] = set()
_largest_chunks: dict[str, int] = {}


@dataclass(frozen=True)
class Patience:
    """How long a transfer waits, in seconds, and how often it tries again."""

    first_byte: float = 300.0
    """The wait for the first answer of a blob; caches may fetch it first."""
    stall: float = 30.0
    """The wait for the next bytes, and for the answer to every later range."""
    hedge: float = 2.0
    """No part younger than this is asked for a second time."""
    hedge_factor: float = 3.0
    """A last part that takes this many times the median is asked for again."""
    backoff: float = 0.5
    """The first pause before a retry; it doubles each time."""
    longest_backoff: float = 30.0
    attempts: int = 8
    """Failures of one part in a row, after which the blob is given up."""


class Limits:
    """One budget of connections and of bytes for every blob of every kit.

    `connections` starts at one for every two cores, which is all that a link faster than
    the machine needs, or there goes on with one for each of a few blobs; on any other it goes
    on with `start`, grows while the total rate still rises and shrinks when a registry asks
    for it.

    `unmeasured` is for uploads and for reads that are not downloads: nothing is learnt from
    their rate, so they begin with `start`, and a narrow `connections` is not theirs.
    """

    def __init__(
        self,
        *,
        connections: int | None = None,
        most_connections: int | None = None,
        blobs: int = BLOBS_SIDE_BY_SIDE,
        part_size: int | None = None,
        bytes_ahead: int | None = None,
        ranges: bool = True,
        patience: Patience | None = None,
        max_rate: int | None = None,
        cores: int | None = None,
    ) -> None:
        """Sets the budget.

        Args:
            connections: how many there may be; 1 means one plain stream at a time. None starts
                with 8, once fewer have been found too few, and grows to 32.
            most_connections: how many there may ever be, where that is more.
            blobs: how many blobs are moved side by side.
            part_size: bytes per range request; None adapts it.
            bytes_ahead: bytes that may be on their way or not hashed yet; None
                takes a quarter of the memory limit, between 64 MiB and 1 GiB.
            ranges: False moves each blob in one stream.
            patience: the time limits; None means the defaults.
            max_rate: bytes a second, all connections together; None for no limit.
            cores: how many cores there are to work on; None asks the system.
        """
        self.ranges = ranges and (connections, most_connections) != (1, None)
        if connections is None:
            connections, most_connections = CONNECTIONS, most_connections or MOST_CONNECTIONS
        most_connections = most_connections or connections
        self.most_connections = max(connections, most_connections)
        self._pace = Pace(connections, self.most_connections, cores or available_cores())
        self.connections = Gate(self._pace.width)
        self.start = self._pace.start
        self.unmeasured = Gate(self.start)
        self.downloads = Gate(blobs)
        self.uploads = Gate(blobs)
        self._blobs = blobs
        self.part_size = part_size
        self.bytes_ahead = bytes_ahead or _default_bytes_ahead()
        self.patience = patience or Patience()
        self.rate = None if max_rate is None else Bucket(max_rate)
        self._answers: dict[str, deque[float]] = {}
        self._lag: dict[object, int] = {}

    def has_ranges(self, host: str) -> bool:
        """Whether range requests to `host` are worth trying."""
        if not self.ranges:
            return False
        seen = _without_ranges.get(host)
        return seen is None or monotonic() - seen > REMEMBER_SECONDS

    def lacks_ranges(self, host: str) -> None:
        """Remembers for the process that `host` answers ranges with whole blobs."""
        _without_ranges[host] = monotonic()

    def answered(self, host: str, seconds: float) -> None:
        """Takes note of how long `host` took to answer a request for a blob."""
        self._answers.setdefault(host, deque(maxlen=64)).append(seconds)
        self._pace.begin(monotonic())

    def usual_answer(self, host: str) -> float | None:
        """The seconds `host` usually takes to answer; None while it has answered nothing."""
        times = self._answers.get(host)
        return middle(times) if times else None

    def has_chunks(self, host: str) -> bool:
        """Whether `host` takes blobs in chunks, as far as is known."""
        return host not in _without_chunks

    def lacks_chunks(self, host: str) -> None:
        """Remembers for the process that `host` takes blobs in one piece only."""
        _without_chunks.add(host)

    def largest_chunk(self, host: str) -> int | None:
        """Bytes of the largest body `host` is known to take; None where it took all so far."""
        return _largest_chunks.get(host)

    def takes_less(self, host: str, size: int) -> None:
        """Remembers for the process that `host`, or a proxy before it, takes no larger bodies."""
        _largest_chunks[host] = size

    def received(self, count: int) -> None:
        """Counts bytes that came over any connection; this is what finds the width."""
        full = self.connections.waiting > 0
        blobs = self.downloads.inside
        self._apply(self._pace.received(count, monotonic(), full=full, blobs=blobs))

    def refused(self, retry_after: float = 0.0) -> None:
        """Uses fewer connections after a 429 or 503."""
        self._apply(self._pace.refused(monotonic(), retry_after))

    def failed(self) -> None:
        """Uses one connection less after one broke."""
        self._apply(self._pace.failed(monotonic()))

    def disk_is_behind(self) -> None:
        """Uses one connection less where the disk is the slower side."""
        self._apply(self._pace.disk_is_behind(monotonic()))

    def upload_lost(self) -> None:
        """Moves fewer uploads side by side after a registry lost one."""
        self.uploads.resize(self.uploads.width // 2)

    def upload_done(self) -> None:
        """Moves one more upload side by side again, up to the number set."""
        self.uploads.resize(min(self.uploads.width + 1, self._blobs))
        if self.unmeasured.width < self.start:
            self.unmeasured.resize(self.unmeasured.width + 1)

    def report_lag(self, owner: object, count: int) -> None:
        """Says how many bytes of one blob are on their way or not hashed yet."""
        if count:
            self._lag[owner] = count
        else:
            self._lag.pop(owner, None)

    @property
    def largest_part(self) -> int:
        """Bytes to ask for at once at most: the more, the faster the few connections are."""
        most = min(LONGEST_PART, self.bytes_ahead // 2) // self.connections.width
        return max(min(int(self._pace.few_rate * LONG_PART_SECONDS), most), LARGEST_PART)

    @property
    def sharing(self) -> int:
        """Connections that each blob has, rounded up."""
        return -(-self.connections.width // max(self.downloads.inside, 1))

    @property
    def bytes_free(self) -> int:
        """What is left of the byte budget; negative when it is overdrawn."""
        return self.bytes_ahead - sum(self._lag.values())

    @property
    def expected(self) -> int:
        """Connections there are, or will be once the few of the start prove too few."""
        return max(self.connections.width, self._pace.start)

    def _apply(self, width: int) -> None:
        if width != self.connections.width:
            self.connections.resize(width)
        if self.expected != self.unmeasured.width:
            self.unmeasured.resize(self.expected)


def middle(times: Collection[float]) -> float:
    """The middle one of some times; `statistics` would import decimals and fractions for it."""
    return sorted(times)[len(times) // 2]


def forget_hosts() -> None:
    """Forgets what was learnt about hosts, as a new process would know nothing."""
    _without_ranges.clear()
    _without_chunks.clear()
    _largest_chunks.clear()


def shared(
    *,
    connections: int | None,
    blobs: int,
    part_size: int | None,
    max_rate: int | None = None,
    cores: int | None = None,
) -> Limits:
    """The budget that all transfers of the running event loop with these settings share.

    Args:
        connections: how many there may be; None starts with 8 and grows to 32.
        blobs: how many blobs are moved side by side.
        part_size: bytes per range request; None adapts it.
        max_rate: bytes a second, all connections together; None for no limit.
        cores: how many cores there are to work on; None asks the system.
    """
    held = _shared.setdefault(asyncio.get_running_loop(), {})
    settings = (connections, blobs, part_size, max_rate, cores)
    if settings not in held:
        held[settings] = Limits(
            connections=connections,
            blobs=blobs,
            part_size=part_size,
            max_rate=max_rate,
            cores=cores,
        )
    return held[settings]


def _default_bytes_ahead() -> int:
    """A quarter of the container's memory limit, within bounds; 1 GiB without one."""
    limit = memory_limit()
    share = MOST_BYTES if limit is None else limit // 4
    return max(min(MOST_BYTES, share), LEAST_BYTES)


_Settings = tuple[int | None, int, int | None, int | None, int | None]
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Settings, Limits]]
_shared = WeakKeyDictionary()
