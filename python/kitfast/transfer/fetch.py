"""Carries the answer to one range request into a landing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from time import monotonic, perf_counter

from kitfast import offload
from kitfast._core import Meter
from kitfast.errors import ConnectionFailed, ProtocolError
from kitfast.together import NOT_NEEDED
from kitfast.transfer.account import Account
from kitfast.transfer.ends import Arrival, BlobSource, Borrowed, Named, Stream
from kitfast.transfer.plan import Part
from kitfast.transfer.rate import Bucket

# A buffer of 256 KiB takes 50 µs into the page cache, and handing it to a thread
# and back costs as much again. Only when the disk is behind and a write takes
# this long is the loop freed from it, and then for the next so many writes.
SLOW_WRITE_SECONDS = 0.004
WRITES_ON_A_THREAD = 64
# Bytes of one write.
WRITE = 256 * 1024


class Placer:
    """Writes into one landing, on the loop while that is quick, else on a thread."""

    def __init__(self, landing: Arrival) -> None:
        """Writes into `landing`."""
        self._landing = landing
        self._on_thread = 0

    async def place(self, offset: int, data: bytes) -> None:
        """Writes `data` at `offset` of the blob; returns when it is written.

        A cancelled call ends only when its write has ended, so that nothing is
        written after the landing was closed.
        """
        if self._on_thread:
            self._on_thread -= 1
            await self._hand_over(offset, data)
            return
        begun = perf_counter()
        self._landing.write(offset, data)
        if perf_counter() - begun > SLOW_WRITE_SECONDS:
            self._on_thread = WRITES_ON_A_THREAD

    async def carry(
        self, borrowed: Borrowed, fetch: Fetch, on_bytes: Callable[[int], None]
    ) -> None:
        """Reads the rest of a fetch from a borrowed connection, on a thread."""
        meter = Meter()
        begin = fetch.position

        def tick() -> None:
            fetch.came(begin + meter.done - fetch.position, on_bytes)

        try:
            await offload.run(
                borrowed.carry,
                self._landing,
                begin,
                fetch.part.end - begin,
                meter=meter,
                tick=tick,
            )
        finally:
            tick()
            fetch.empty += meter.waiting
            fetch.writing += meter.writing

    async def _hand_over(self, offset: int, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        write = loop.run_in_executor(None, self._landing.write, offset, data)
        try:
            await asyncio.shield(write)
        except asyncio.CancelledError:
            await asyncio.wait({write})
            raise


class WholeAnswer(ProtocolError):
    """A range was answered with the whole blob where that cannot be of use to all."""


class Fetch:
    """One request for a part: where it stands and when it last got bytes."""

    def __init__(
        self,
        part: Part,
        size: int,
        *,
        may_be_whole: bool,
        hedge: bool = False,
        ranged: bool = False,
    ) -> None:
        """Stands before the request.

        Args:
            part: what is asked for.
            size: the size of the blob.
            may_be_whole: whether an answer with the whole blob is acceptable.
            hedge: whether somebody else asked for this part before.
            ranged: ask for a range, too, where the part is all of the blob.
        """
        self.part = part
        self.size = size
        self.position = part.start
        self.all = part.length == size
        self.ranged = ranged or not self.all
        self.hedge = hedge
        self.hedged = hedge
        self.answered = False
        self.whole = False
        self.superseded = False
        self.cut = False
        self.failure: BaseException | None = None
        self.begun = self.touched = monotonic()
        self.answered_at: float | None = None
        self.empty = self.writing = self.held = 0.0
        self.task: asyncio.Task[None] | None = None
        self._may_be_whole = may_be_whole

    @property
    def rest(self) -> Part:
        """What of the part has not come yet."""
        return Part(self.position, self.part.end)

    @property
    def complete(self) -> bool:
        """Whether every byte of the part has come, by this request or another, and no more."""
        overlong = isinstance(self.failure, ProtocolError)
        return self.superseded or (self.position >= self.part.end and not overlong)

    async def run(
        self,
        registry: BlobSource,
        repository: str,
        blob: Named,
        placer: Placer,
        *,
        on_answer: Callable[[Fetch], None],
        on_bytes: Callable[[int], None],
        rate: Bucket | None = None,
    ) -> None:
        """Asks for the part and places its bytes, no faster than `rate` lets them through.

        Raises:
            ConnectionFailed: the answer ended too early.
            WholeAnswer: it was the whole blob when ranges had worked before.
            ProtocolError: it was longer than asked for.
        """
        async with registry.get_blob(
            repository,
            blob.digest,
            start=self.part.start if self.ranged else None,
            end=self.part.end if self.ranged else None,
            size=self.size,
        ) as stream:
            self._take_answer(stream, registry.host, blob)
            on_answer(self)
            # A thread reads as fast as it can: a rate is kept on this side alone.
            loan = stream.lend() if rate is None else None
            if loan is None:
                async with aclosing(stream.chunks()) as chunks:  # type: ignore[type-var]
                    asked = monotonic()
                    async for chunk in chunks:
                        self.empty += monotonic() - asked
                        self._bound(len(chunk), registry.host, blob)
                        if rate is not None:
                            await self._hold(rate, len(chunk))
                        await self._place(chunk, placer, on_bytes)
                        asked = monotonic()
            else:
                with loan as borrowed:
                    self._bound(len(borrowed.first), registry.host, blob)
                    await self._place(borrowed.first, placer, on_bytes)
                    await placer.carry(borrowed, self, on_bytes)
                    if self.position == self.part.end:
                        borrowed.complete()
            if self.position < self.part.end:
                early = self.part.end - self.position
                raise ConnectionFailed(
                    f"{registry.host}: the answer ended {early} bytes early", transient=True
                )

    async def _place(self, data: bytes, placer: Placer, on_bytes: Callable[[int], None]) -> None:
        self.touched = begun = monotonic()
        await placer.place(self.position, data)
        self.writing += monotonic() - begun
        self.came(len(data), on_bytes)

    async def _hold(self, rate: Bucket, count: int) -> None:
        """Waits for its turn, which is no stall however long it takes."""
        self.touched = float("inf")
        try:
            self.held += await rate.take(count)
        finally:
            self.touched = monotonic()

    def enter(self, account: Account) -> None:
        """Enters where the time of this request went."""
        end = monotonic()
        answered = end if self.answered_at is None else self.answered_at
        account.add(self.begun, answered, {"registry": answered - self.begun})
        account.add(
            answered,
            end,
            {"network": self.empty, "disk": self.writing, "max-rate": self.held},
        )

    @property
    def waits_for_disk(self) -> bool:
        """Whether its bytes were held up by writes that wait, and not by the network."""
        buffers = (self.position - self.part.start) / WRITE
        return self.writing > max(SLOW_WRITE_SECONDS * buffers, 2 * self.empty)

    def came(self, count: int, on_bytes: Callable[[int], None]) -> None:
        """Counts bytes that are placed."""
        if count:
            self.touched = monotonic()
            self.position += count
            on_bytes(count)

    def stall(self, seconds: float) -> None:
        """Ends the request because nothing came for so long; what came so far stays."""
        self.failure = ConnectionFailed(f"no bytes for {seconds:g} s", transient=True)
        self._cancel()

    def break_up(self) -> None:
        """Ends the request because its part is too long for one; what came so far stays."""
        self.cut = True
        self._cancel(NOT_NEEDED)

    def supersede(self) -> None:
        """Ends the request because another one has brought its bytes."""
        self.superseded = True
        self._cancel(NOT_NEEDED)

    def _cancel(self, why: str | None = None) -> None:
        if self.task is not None:
            self.task.cancel(why)

    def _take_answer(self, stream: Stream, host: str, blob: Named) -> None:
        self.answered = True
        self.touched = self.answered_at = monotonic()
        if not (self.ranged and stream.whole):
            return
        if not self._may_be_whole:
            raise WholeAnswer(
                f"{host}: {blob.digest}: a range was answered with the whole blob, "
                "although ranges had worked before"
            )
        self.whole = True
        self.part, self.position = Part(0, self.size), 0

    def _bound(self, count: int, host: str, blob: Named) -> None:
        if self.position + count > self.part.end:
            raise ProtocolError(
                f"{host}: {blob.digest}: more bytes than the {self.part.length} asked for"
            )
