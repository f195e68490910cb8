"""One blob on its way out: slice by slice, or by the core straight to a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic, perf_counter

from kitfast import offload
from kitfast._core import Meter
from kitfast.transfer.account import Account
from kitfast.transfer.ends import Content, Sends
from kitfast.transfer.plan import MIB
from kitfast.transfer.rate import Bucket

# One slice is read and handed to the socket at a time, and one is read ahead where threads
# read: the memory of an upload.
SLICE = MIB

# A slice takes 0.1 ms from the page cache. From a disk that is slower than this
# the next ones are read on a thread, and the loop stays free.
SLOW_READ_SECONDS = 0.004
READS_ON_A_THREAD = 64


class Outflow:
    """Gives out a blob's bytes, request by request, and knows what each waited for."""

    def __init__(
        self,
        content: Content,
        on_bytes: Callable[[int, int], None],
        rate: Bucket | None,
        *,
        hashes: bool = False,
    ) -> None:
        """Gives out `content`.

        Args:
            content: the bytes.
            on_bytes: hears of every range that went out, in order.
            rate: how fast they may go.
            hashes: whether reading costs a hash, so that it is never done on the loop.
        """
        self._content = content
        self._on_bytes = on_bytes
        self._rate = rate
        self._hashes = hashes
        self._slice = SLICE if rate is None else min(SLICE, rate.piece)
        self._on_thread = 0
        self._reading_now: asyncio.Future[bytes] | None = None
        self.begin()

    def begin(self) -> None:
        """Begins to measure: when bytes are asked for, and what they wait for."""
        self._first: float | None = None
        self._last = 0.0
        self._full = self._reading = self._held = 0.0

    def enter(self, account: Account, begun: float) -> None:
        """Enters a request: what is before the first byte and after the last is an answer's."""
        end = monotonic()
        if self._first is None:
            account.add(begun, end, {"registry": end - begun})
            return
        account.add(begun, self._first, {"registry": self._first - begun})
        account.add(
            self._first,
            self._last,
            {"network": self._full, "disk": self._reading, "max-rate": self._held},
        )
        account.add(self._last, end, {"registry": end - self._last})

    def body(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The body of a request for `length` bytes from `start` on.

        It can also be sent by the core, unless a rate is to be kept: the core sends as fast
        as it can.
        """
        slices = self._slices(start, length)
        if self._rate is None and isinstance(self._content, Sends):
            return _Body(slices, self, self._content, start, length)
        return slices

    async def send(
        self, sends: Sends, socket: int, start: int, length: int, taken: Callable[[int, bool], None]
    ) -> None:
        """Lets the core write bytes to a socket; `taken` is told of them as they go."""
        await self.settled()
        meter = Meter()
        seen, waited = 0, 0.0

        def tick() -> None:
            nonlocal seen, waited
            done, waiting = meter.done, meter.waiting
            taken(done - seen, waiting > waited)
            self._on_bytes(start + seen, start + done)
            seen, waited = done, waiting

        self._first = monotonic()
        try:
            await offload.run(sends.send, socket, start, length, meter=meter, tick=tick)
        finally:
            tick()
            self._last = monotonic()
            self._full += meter.waiting
            self._reading += meter.writing

    async def _slices(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Yields `length` bytes from `start` on."""
        end = start + length
        self._first = self._last = monotonic()
        ahead: asyncio.Future[bytes] | None = None
        while start < end:
            count = min(self._slice, end - start)
            if self._rate is not None:
                self._held += await self._rate.take(count)
            begun = monotonic()
            data = await (self._read(start, count) if ahead is None else asyncio.shield(ahead))
            read = monotonic()
            self._reading += read - begun
            after = start + len(data)
            ahead = self._begin(after, min(self._slice, end - after)) if after < end else None
            yield data
            # The next one is asked for when the socket has taken this one.
            self._last = monotonic()
            self._full += self._last - read
            self._on_bytes(start, after)
            start = after

    def _begin(self, offset: int, length: int) -> asyncio.Future[bytes] | None:
        """Begins to read on a thread, if that is where it is done now."""
        if not self._hashes and not self._on_thread:
            return None
        self._on_thread = max(self._on_thread - 1, 0)
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(None, self._content.read, offset, length)
        # Its failure may have nobody left to hear it.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._reading_now = reading
        return reading

    async def _read(self, offset: int, length: int) -> bytes:
        await self.settled()
        reading = self._begin(offset, length)
        if reading is not None:
            return await asyncio.shield(reading)
        begun = perf_counter()
        data = self._content.read(offset, length)
        if perf_counter() - begun > SLOW_READ_SECONDS:
            self._on_thread = READS_ON_A_THREAD
        return data

    async def settled(self) -> None:
        """Waits for a read that a broken request has left behind on its thread."""
        if self._reading_now is not None:
            await asyncio.wait({self._reading_now})
            self._reading_now = None


class _Body:
    """The bytes of one request, as an iterator that can also send itself."""

    def __init__(
        self, slices: AsyncIterator[bytes], outflow: Outflow, sends: Sends, start: int, length: int
    ) -> None:
        self._slices, self._outflow, self._sends = slices, outflow, sends
        self._start, self._length = start, length

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._slices

    async def __anext__(self) -> bytes:
        return await self._slices.__anext__()

    async def send(self, socket: int, taken: Callable[[int, bool], None]) -> None:
        """Lets the core write all of it to a socket."""
        await self._outflow.send(self._sends, socket, self._start, self._length, taken)
