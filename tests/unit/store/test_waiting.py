"""What is said of a wait for another process: at once, and louder when it lasts."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from kitfast.store import locks


async def wait(path: Path, seconds: float) -> None:
    """Waits for a lock that somebody else holds so long."""

    async def other(held: asyncio.Event) -> None:
        async with locks.exclusive(path):
            held.set()
            await asyncio.sleep(seconds)

    held = asyncio.Event()
    holding = asyncio.create_task(other(held))
    await held.wait()
    async with locks.exclusive(path) as waited:
        assert waited
    await holding


@pytest.mark.parametrize(("long", "levels"), [(60, ["INFO"]), (0.1, ["INFO", "WARNING"])])
async def test_a_wait_is_told_of_once_and_once_more_when_it_is_long(
    long: float,
    levels: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "LONG_WAIT_SECONDS", long)
    with caplog.at_level(logging.INFO, "kitfast"):
        await wait(tmp_path / "sha256-0123", 0.4)
    assert [record.levelname for record in caplog.records] == levels
    assert all(record.getMessage().startswith("sha256-0123: ") for record in caplog.records)


async def test_nothing_is_said_where_nobody_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "kitfast"):
        async with locks.exclusive(tmp_path / "lock") as waited:
            assert not waited
    assert not caplog.records
