"""What is said of a transfer that pauses: what failed, where, and for how long."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.support.memory import random_blob

from kitfast.errors import ConnectionFailed, RegistryError
from kitfast.transfer import trouble
from kitfast.transfer.limits import Limits, Patience

BLOB = random_blob(10)


@pytest.mark.parametrize(
    ("failure", "level", "said"),
    [
        (ConnectionFailed("no bytes for 30 s"), "INFO", f"h/r: {BLOB.digest[:19]}: no bytes for"),
        (ConnectionFailed("h/r: cannot read: it broke"), "INFO", "h/r: cannot read: it broke; "),
        (
            RegistryError("h/r: busy", status=429, transient=True, retry_after=30),
            "WARNING",
            "h/r: busy; next try in 30.0 s",
        ),
    ],
    ids=["without a place", "with one", "for long"],
)
async def test_a_pause_is_told_of(
    failure: Exception,
    level: str,
    said: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_time(seconds: float) -> None:
        """Takes none."""

    monkeypatch.setattr(asyncio, "sleep", no_time)
    limits = Limits(patience=Patience(backoff=0.01))
    one = trouble.Trouble("h/r", BLOB, limits, done=lambda: 0, hint="")
    with caplog.at_level(logging.INFO, "kitfast"):
        await one.after(failure, progress=0)
    (record,) = caplog.records
    assert record.levelname == level
    assert record.getMessage().startswith(said) and "; next try in " in record.getMessage()
