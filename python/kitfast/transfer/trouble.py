"""Decides what follows a failed request: a pause and another try, or the end."""

from __future__ import annotations

import asyncio
import random
from typing import NoReturn

from kitfast.errors import ConnectionFailed, RegistryError
from kitfast.transfer.ends import Arrival, Named
from kitfast.transfer.fetch import Fetch
from kitfast.transfer.limits import Limits, Patience
from kitfast.transfer.plan import MIB

# A try that brought this much was no failure: the connection worked, and broke.
# Less does not count, or a server that sends a byte and hangs up would hold us.
PROGRESS = MIB

TOO_MANY = frozenset({429, 503})

RESUMES = "what is down is kept: the same command goes on from there"


def may_retry(error: BaseException) -> bool:
    """Whether the same request may succeed when it is made again."""
    return isinstance(error, RegistryError | ConnectionFailed) and bool(
        getattr(error, "transient", False)
    )


def pause(failures: int, patience: Patience, error: BaseException | None) -> float:
    """Seconds to wait after so many failures in a row; never less than a server asked for."""
    grown = min(patience.backoff * 2.0 ** min(failures - 1, 16), patience.longest_backoff)
    asked = getattr(error, "retry_after", None) or 0.0
    return max(grown * random.uniform(0.5, 1.0), float(asked))


class Trouble:
    """Counts the failures of one part and pauses longer after each."""

    def __init__(
        self, host: str, repository: str, blob: Named, landing: Arrival, limits: Limits
    ) -> None:
        """Begins with no failures."""
        self._host, self._repository, self._blob = host, repository, blob
        self._landing, self._limits = landing, limits
        self._failures = 0

    async def wait_after(self, fetch: Fetch) -> None:
        """Pauses after a request that left something undone.

        Raises:
            KitfastError: the failure is final, or it was one too many.
        """
        failure = fetch.failure
        if failure is None:
            raise AssertionError("a request that failed has a failure")
        if not may_retry(failure):
            raise failure
        self._slow_down(failure)
        if fetch.position - fetch.part.start >= PROGRESS:
            self._failures = 0
        self._failures += 1
        if self._failures >= self._limits.patience.attempts:
            self._give_up(failure)
        await asyncio.sleep(pause(self._failures, self._limits.patience, failure))

    def _slow_down(self, failure: BaseException) -> None:
        if getattr(failure, "status", None) in TOO_MANY:
            self._limits.refused(getattr(failure, "retry_after", None) or 0.0)
        else:
            self._limits.failed()

    def _give_up(self, failure: BaseException) -> NoReturn:
        size = self._blob.size
        done = size - sum(end - start for start, end in self._landing.missing())
        kind = type(failure) if isinstance(failure, RegistryError) else ConnectionFailed
        raise kind(
            f"{self._host}/{self._repository}: gave up {self._blob.digest} at {done} of {size} "
            f"bytes after {self._failures} failures in a row, the last: {failure}",
            hint=RESUMES,
            host=self._host,
            digest=self._blob.digest,
            done=done,
            size=size,
            status=getattr(failure, "status", None),
        ) from failure
