"""Downloads one blob into a landing over several connections, in order.

The first part is the probe: until it is answered nothing else is asked for. An
answer of 206 opens the other connections; an answer of 200 carries the whole
blob, which then comes in this one stream, as it does where the range is refused.
What breaks or stalls is asked for again from where it stopped. The landing decides
what is missing, so a download that was interrupted is resumed by calling `download`
again with the same landing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from kitfast.errors import RangeRefused, RegistryError
from kitfast.together import NOT_NEEDED
from kitfast.transfer.account import Account, Cause
from kitfast.transfer.ends import Arrival, BlobSource, Named
from kitfast.transfer.fetch import Fetch, Placer, WholeAnswer
from kitfast.transfer.limits import Limits, middle
from kitfast.transfer.plan import LARGEST_PART, SMALLEST_PART, Part, Plan
from kitfast.transfer.trouble import Trouble

# How often the byte budget is looked at while it is used up: the hash frees
# 35 MB in this time, about one part.
BUDGET_SECONDS = 0.02

RESUMES = "what is down is kept: the same command goes on from there"


async def download(
    registry: BlobSource,
    repository: str,
    blob: Named,
    landing: Arrival,
    *,
    limits: Limits,
    on_bytes: Callable[[int], None] | None = None,
    account: Account | None = None,
) -> None:
    """Fetches what `landing` misses; returns when all bytes are down, not yet verified.

    Whoever calls this closes the landing: with `finish()` when it returns, which
    verifies and commits, or with `keep()` when it raises, so that it can be resumed.

    Args:
        registry: where the blob is.
        repository: the repository it is in.
        blob: its digest and size.
        landing: where the bytes go.
        limits: the budget it shares with other transfers.
        on_bytes: called with the number of new bytes each time some have landed.
        account: where the time it takes is entered.

    Raises:
        NotInRegistry, AuthenticationFailed: the registry does not give the blob.
        ConnectionFailed, RegistryError: retries did not help; resumable.
        ProtocolError: the registry answered with something else than was asked for.
        NoSpace, FileError: from the landing.
    """
    async with limits.downloads:
        entered = account or Account()
        await _Download(registry, repository, blob, landing, limits, on_bytes, entered).run()


class _Download:
    """One blob on its way: its plan, the requests in flight, and who watches them."""

    def __init__(
        self,
        registry: BlobSource,
        repository: str,
        blob: Named,
        landing: Arrival,
        limits: Limits,
        on_bytes: Callable[[int], None] | None,
        account: Account,
    ) -> None:
        self._registry, self._repository, self._blob = registry, repository, blob
        self._landing, self._limits, self._on_bytes = landing, limits, on_bytes
        self._account = account
        self._placer = Placer(landing)
        self._plan = Plan(landing.missing(), fixed=limits.part_size)
        self._flying: set[Fetch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._durations: list[float] = []
        self._ranges_work = False
        self._one_stream = not limits.has_ranges(registry.host)
        self._streaming = False
        self._whole_only = False
        self._hashed_before = landing.hashed
        self._counted = landing.received
        self._got = 0
        self._troubled = 0

    async def run(self) -> None:
        """Runs until nothing is missing; ends every task it started, whatever happens."""
        if not self._plan:
            return
        self._start(self._stream_all() if self._one_stream else self._work())
        watch = asyncio.create_task(self._watch())
        try:
            while self._tasks:
                done, _ = await asyncio.wait(
                    self._tasks | {watch}, return_when=asyncio.FIRST_COMPLETED
                )
                self._tasks -= done
                _raise_first(done)
        finally:
            await _end(self._tasks | {watch})
            self._limits.report_lag(self, 0)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _work(self) -> None:
        """Fetches the next part, having sent for whoever fetches the one after it.

        One task of a blob waits for a connection at any time, so that the blobs
        take turns.
        """
        await self._room()
        async with self._limits.connections:
            part = self._next_part()
            if part is None:
                return
            if self._ranges_work:
                self._start(self._work())
            fetch = await self._attempt(part)
        await self._complete(fetch)

    def _next_part(self) -> Part | None:
        wish = self._landing.wanted_header() if self._ranges_work else None
        limits = self._limits
        return self._plan.take(limits.connections.width, wish, limits.largest_part, limits.sharing)

    async def _complete(self, fetch: Fetch) -> None:
        """Asks again for what a request left, until it is down or given up."""
        trouble = self._trouble()
        while not fetch.complete:
            if isinstance(fetch.failure, WholeAnswer) or self._is_refused(fetch):
                self._give_ranges_up()
                break
            if fetch.failure is not None or not fetch.cut:
                await self._pause(trouble, fetch)
            if self._streaming:
                return
            rest = self._share(fetch.rest)
            async with self._limits.connections:
                fetch = await self._attempt(rest)
        if self._one_stream:
            await self._stream_all()

    def _share(self, rest: Part) -> Part:
        """Leaves to others all but the begin of a part that is too long to be asked for again."""
        if not self._is_long(rest):
            return rest
        border = rest.start + SMALLEST_PART
        self._plan.put_back(Part(border, rest.end))
        if self._ranges_work:  # else the first answer begins with it
            self._start(self._work())
        return Part(rest.start, border)

    def _is_long(self, rest: Part) -> bool:
        """Whether it is what only few, fast connections are asked for at once."""
        adapts = self._limits.part_size is None and not self._one_stream
        return adapts and rest.length > LARGEST_PART * 5 // 4

    def _give_ranges_up(self) -> None:
        """Leaves what is missing to one stream.

        A mirror that served ranges may have failed, and its registry serve none.
        """
        self._one_stream, self._ranges_work = True, False
        self._plan = Plan([])

    def _is_refused(self, fetch: Fetch) -> bool:
        """Whether the probe was refused for asking for a range; remembered for the host."""
        if self._ranges_work or not isinstance(fetch.failure, RangeRefused):
            return False
        if not self._one_stream:
            self._limits.lacks_ranges(self._registry.host)
        return True

    async def _pause(self, trouble: Trouble, fetch: Fetch, progress: int | None = None) -> None:
        failure = fetch.failure
        if failure is None:
            raise AssertionError("a request that left something undone has a failure")
        self._troubled += 1
        try:
            progress = fetch.position - fetch.part.start if progress is None else progress
            refused = isinstance(failure, RegistryError)
            with self._account.during("registry" if refused else "network"):
                await trouble.after(failure, progress=progress, was_let_in=self._got > 0)
        finally:
            self._troubled -= 1

    async def _stream_all(self) -> None:
        """Fetches everything that is missing in one stream after another; once is enough."""
        if self._streaming:
            return
        self._streaming = True
        trouble = self._trouble()
        while missing := self._landing.missing():
            rest = Part(missing[0][0], missing[-1][1])
            before = self._landing.received
            async with self._limits.connections:
                fetch = await self._attempt(Part(0, self._blob.size) if self._whole_only else rest)
            if isinstance(fetch.failure, RangeRefused) and not self._whole_only:
                # What is down comes once more, and is skipped.
                self._whole_only = True
            elif not fetch.complete:
                await self._pause(trouble, fetch, self._landing.received - before)

    def _trouble(self) -> Trouble:
        return Trouble(
            f"{self._registry.host}/{self._repository}",
            self._blob,
            self._limits,
            done=lambda: self._landing.received,
            hint=RESUMES,
        )

    async def _attempt(self, part: Part, *, hedge: bool = False) -> Fetch:
        """Makes one request for `part`; a failure is left in the returned fetch."""
        whole_is_fine = self._one_stream or not self._ranges_work
        # A long part may be all of the blob: an answer with a range allows to break it up.
        fetch = Fetch(
            part,
            self._blob.size,
            may_be_whole=whole_is_fine,
            hedge=hedge,
            ranged=self._is_long(part),
        )
        fetch.task = asyncio.create_task(
            fetch.run(
                self._registry,
                self._repository,
                self._blob,
                self._placer,
                on_answer=self._answered,
                on_bytes=self._received,
                rate=self._limits.rate,
            )
        )
        self._flying.add(fetch)
        try:
            await asyncio.wait({fetch.task})
        finally:
            self._flying.discard(fetch)
            await _end({fetch.task})
            fetch.enter(self._account)
        if not fetch.task.cancelled():
            fetch.failure = fetch.task.exception()
        if fetch.complete:
            self._durations.append(monotonic() - fetch.begun)
            if fetch.waits_for_disk:
                self._limits.disk_is_behind()
        return fetch

    def _answered(self, fetch: Fetch) -> None:
        """Learns from an answer how long they take and whether ranges work here."""
        if not fetch.hedge:
            self._limits.answered(self._registry.host, monotonic() - fetch.begun)
        if fetch.whole and not self._one_stream:
            self._one_stream = True
            if not fetch.all:
                self._limits.lacks_ranges(self._registry.host)
        elif fetch.ranged and not (self._ranges_work or self._one_stream):
            self._ranges_work = True
            self._start(self._work())

    def _received(self, count: int) -> None:
        self._got += count
        self._limits.received(count)
        new = self._landing.received - self._counted
        self._counted += new
        if self._on_bytes is not None and new:
            self._on_bytes(new)

    async def _room(self) -> None:
        """Waits for room in the byte budget, and while half the connections are in trouble.

        A blob that would stand still waits for nothing, so that it always gets on.
        """
        while (cause := self._lacking()) is not None:
            # One span for all of the wait: on a slow disk there are hours of it.
            with self._account.during(cause, alone=cause == "hash"):
                while self._lacking() == cause:
                    await asyncio.sleep(BUDGET_SECONDS)

    def _lacking(self) -> Cause | None:
        """What the next part has to wait for, having said how much is on its way."""
        hashed = self._landing.hashed - self._hashed_before
        coming = sum(fetch.rest.length for fetch in self._flying)
        self._limits.report_lag(self, max(self._got - hashed, 0) + coming)
        if not self._flying and not self._troubled:
            return None
        if self._limits.bytes_free <= 0:
            return "hash"
        # A lone connection is not half of one: on a link that fast there may be more.
        crowded = self._troubled > self._limits.expected // 2
        return "registry" if crowded else None

    async def _watch(self) -> None:
        """Ends requests that stall and hedges the slow ones at the end."""
        patience = self._limits.patience
        while True:
            await asyncio.sleep(min(patience.stall / 8, patience.hedge / 4))
            # Silence tells of a link, too: a lone connection that hangs gets company.
            self._limits.received(0)
            now = monotonic()
            for fetch in list(self._flying):
                known = self._durations or fetch.answered or self._is_small_change(fetch)
                limit = patience.stall if known else patience.first_byte
                if now - fetch.touched > limit:
                    fetch.stall(limit)
                elif self._is_slow(fetch, now):
                    if self._is_long(fetch.rest):
                        # Several bring it sooner than one other would.
                        fetch.break_up()
                        continue
                    fetch.hedged = True
                    self._start(self._hedge(fetch))

    def _is_small_change(self, fetch: Fetch) -> bool:
        """Whether it asks for a whole blob of one part, from a host known to answer.

        Such a blob has no parts before it to learn from; other blobs stand in for them. A
        larger one may be what a cache has to fetch first, and is given its time.
        """
        fits = self._blob.size <= (self._limits.part_size or LARGEST_PART)
        return fits and self._limits.usual_answer(self._registry.host) is not None

    def _is_slow(self, fetch: Fetch, now: float) -> bool:
        patience = self._limits.patience
        if self._limits.rate is not None:
            # Asking twice would spend what there is too little of.
            return False
        if self._is_small_change(fetch) and not (fetch.answered or fetch.hedged):
            usual = self._limits.usual_answer(self._registry.host) or 0.0
            return now - fetch.begun > max(patience.hedge, patience.hedge_factor * usual)
        if self._plan or fetch.hedged or not self._ranges_work:
            return False
        if self._is_long(fetch.rest) and fetch.answered:
            # It should have taken half a second.
            return now - fetch.begun > patience.hedge
        if not self._durations:
            return False
        usual = patience.hedge_factor * middle(self._durations)
        return now - fetch.begun > max(patience.hedge, usual)

    async def _hedge(self, slow: Fetch) -> None:
        """Asks a second time for what a slow request still lacks; the first to end wins."""
        async with self._limits.connections:
            if slow not in self._flying:
                return
            second = asyncio.create_task(self._attempt(slow.rest, hedge=True))
            first = slow.task
            try:
                await asyncio.wait(
                    {second} if first is None else {second, first},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                await _end({second})
        if not second.cancelled() and second.result().complete:
            slow.supersede()


def _raise_first(done: set[asyncio.Task[None]]) -> None:
    """Raises what one of the tasks raised, having looked at all of them."""
    failures = [failure for task in done if (failure := task.exception()) is not None]
    if failures:
        raise failures[0]


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits until they have ended; what they raise then is of no use."""
    for task in tasks:
        task.cancel(NOT_NEEDED)
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()
