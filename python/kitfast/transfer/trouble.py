"""Decides what follows a failed request: a pause and another try, or the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import NoReturn

from kitfast.errors import AuthenticationFailed, ConnectionFailed, RegistryError
from kitfast.registry.retry import tell_pause
from kitfast.transfer.ends import Named
from kitfast.transfer.limits import Limits, Patience
from kitfast.transfer.plan import MIB

# A try that brought this much was no failure: the connection worked, and broke.
# Less does not count, or a server that sends a byte and hangs up would hold us.
PROGRESS = MIB

# A refusal after all went well is tried again this often, before it is believed.
EXPIRIES = 2

TOO_MANY = frozenset({429, 503})


def may_retry(error: BaseException) -> bool:
    """Whether the same request may succeed when it is made again."""
    return isinstance(error, RegistryError | ConnectionFailed) and error.transient


def pause(failures: int, patience: Patience, error: BaseException | None) -> float:
    """Seconds to wait after so many failures in a row; never less than a server asked for."""
    grown = min(patience.backoff * 2.0 ** min(failures - 1, 16), patience.longest_backoff)
    asked = getattr(error, "retry_after", None) or 0.0
    return max(grown * random.uniform(0.5, 1.0), float(asked))


class Trouble:
    """Counts the failures of one part, or one upload, and pauses longer after each."""

    def __init__(
        self,
        place: str,
        blob: Named,
        limits: Limits,
        *,
        done: Callable[[], int],
        hint: str,
    ) -> None:
        """Begins with no failures.

        Args:
            place: host and repository, for the error.
            blob: what is moved.
            limits: what is made smaller after failures, and the patience.
            done: tells how many bytes of the blob have been moved.
            hint: what to do when it is given up.
        """
        self._place, self._blob, self._limits = place, blob, limits
        self._done, self._hint = done, hint
        self._failures = 0

    async def after(
        self, failure: BaseException, *, progress: int, was_let_in: bool = False
    ) -> None:
        """Pauses after a failure.

        Args:
            failure: what went wrong; raised when another try is of no use.
            progress: bytes the try moved before it failed.
            was_let_in: whether the same request was granted before, so that a
                refusal may only mean an address or token that has just expired.

        Raises:
            RegistryError, ConnectionFailed: it was one failure too many.
        """
        expired = was_let_in and isinstance(failure, AuthenticationFailed)
        if not may_retry(failure) and not (expired and self._failures < EXPIRIES):
            raise failure
        self._slow_down(failure)
        if progress >= PROGRESS:
            self._failures = 0
        self._failures += 1
        if self._failures >= self._limits.patience.attempts:
            self._give_up(failure)
        seconds = pause(self._failures, self._limits.patience, failure)
        tell_pause(self._named(failure), seconds)
        await asyncio.sleep(seconds)

    def _named(self, failure: BaseException) -> str:
        """What failed, with where and of what; most failures say that themselves."""
        said = str(failure)
        if said.startswith(self._place):
            return said
        return f"{self._place}: {self._blob.digest[:19]}: {said}"

    def _slow_down(self, failure: BaseException) -> None:
        if getattr(failure, "status", None) in TOO_MANY:
            self._limits.refused(getattr(failure, "retry_after", None) or 0.0)
        else:
            self._limits.failed()

    def _give_up(self, failure: BaseException) -> NoReturn:
        kind = type(failure) if isinstance(failure, RegistryError) else ConnectionFailed
        done, size = self._done(), self._blob.size
        raise kind(
            f"{self._place}: gave up {self._blob.digest} at {done} of {size} bytes "
            f"after {self._failures} failures in a row, the last: {failure}",
            hint=self._hint,
            digest=self._blob.digest,
            done=done,
            size=size,
            status=getattr(failure, "status", None),
            code=getattr(failure, "code", None),
        ) from failure
