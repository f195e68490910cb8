"""Decides whether and when a failed request is tried again."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from ..errors import ConnectionFailed, RegistryError

T = TypeVar("T")

# 408 timeout, 425 too early, 429 too many, 5xx of a server or a proxy in trouble.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# Answers that promise nothing was done: safe to repeat even a POST.
REFUSED_STATUSES = frozenset({425, 429, 503})

ATTEMPTS = 6
FIRST_DELAY = 0.5
# A server may ask for hours; a person at a terminal would rather see the error.
LONGEST_DELAY = 60.0
# A pause this long looks like a program that hangs to whoever does not know of it.
LONG_PAUSE = 10.0

# Set on a failure that has had all its tries: a request whose token cannot be had must not
# try six times what was tried six times.
TRIED = "tried"

log = logging.getLogger("kitfast")

_asking: ContextVar[bool] = ContextVar("asking", default=False)
_hurried: ContextVar[bool] = ContextVar("hurried", default=False)


def asking() -> bool:
    """Whether the code that runs is within `retrying`: it asks something, and will again."""
    return _asking.get()


def hurried() -> bool:
    """Whether somebody else can answer as well, so that nothing is worth a second try."""
    return _hurried.get()


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Lets every request of the block, and of tasks it starts, have one try only."""
    with _held(_hurried):
        yield


@contextmanager
def _held(variable: ContextVar[bool]) -> Iterator[None]:
    # Set back by value: a token is of no use where a forgotten coroutine is closed.
    before = variable.get()
    variable.set(True)
    try:
        yield
    finally:
        variable.set(before)


def tell_pause(failure: object, seconds: float) -> None:
    """Says in the log what failed, where, and when it is tried again."""
    level = logging.WARNING if seconds >= LONG_PAUSE else logging.INFO
    log.log(level, "%s; next try in %.1f s", failure, seconds)


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed when it is made again."""
    return isinstance(error, RegistryError | ConnectionFailed) and error.transient


def refused(error: BaseException) -> bool:
    """Whether the request was turned away before anything was done."""
    return isinstance(error, RegistryError) and error.status in REFUSED_STATUSES


def delay(attempt: int, error: BaseException | None = None) -> float:
    """Returns the seconds to wait before the next attempt.

    Args:
        attempt: How many attempts have failed, from 1.
        error: The last failure; its `retry_after` is honoured, bounded.

    Returns:
        Seconds: exponential with jitter, never less than the server asked for
        (up to `LONGEST_DELAY`).
    """
    grown = min(FIRST_DELAY * 2.0 ** min(attempt - 1, 16), LONGEST_DELAY)
    waited = grown * random.uniform(0.5, 1.0)
    asked = getattr(error, "retry_after", None)
    if asked is None:
        return waited
    # The jitter keeps a thousand clients that were told the same from coming back at once.
    return min(float(asked) + random.uniform(0.0, FIRST_DELAY), LONGEST_DELAY)


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Reads a `Retry-After` header (RFC 9110 §10.2.3): seconds or a date.

    Returns:
        Seconds from now, at least 0 and at most `LONGEST_DELAY`; None without a usable value.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return LONGEST_DELAY if len(text) > 6 else min(float(text), LONGEST_DELAY)
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    left = moment - (time.time() if now is None else now)
    return min(max(left, 0.0), LONGEST_DELAY)


async def retrying(
    action: Callable[[], Awaitable[T]],
    *,
    attempts: int = ATTEMPTS,
    may_retry: Callable[[BaseException], bool] = transient,
) -> T:
    """Runs `action` until it succeeds, fails for good, or has had its attempts.

    Args:
        action: Makes the request once; must be safe to repeat.
        attempts: How often it is run at most; once when `in_a_hurry`.
        may_retry: Says whether a failure is worth another attempt.

    Returns:
        What `action` returned.

    Raises:
        Whatever the last attempt raised.
    """
    with _held(_asking):
        for attempt in range(1, 1 if hurried() else attempts):
            try:
                return await action()
            except (RegistryError, ConnectionFailed) as error:
                if not may_retry(error) or hasattr(error, TRIED):
                    raise
                pause = delay(attempt, error)
                tell_pause(error, pause)
            await asyncio.sleep(pause)
        try:
            return await action()
        except (RegistryError, ConnectionFailed) as error:
            setattr(error, TRIED, True)
            raise
