"""Coroutines side by side: order, limits, and an end before a failure is told."""

from __future__ import annotations

import asyncio

import pytest

from kitfast.together import together


async def test_results_stand_in_the_order_given() -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await together([after(0.02), after(0), after(0.01)]) == [0.02, 0, 0.01]
    assert await together([]) == []


async def test_no_more_run_at_once_than_allowed() -> None:
    running = most = 0

    async def one() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    await together([one() for _ in range(20)], at_once=3)
    assert most == 3


async def test_a_failure_is_told_after_the_others_have_ended() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append("slow")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise OSError("as expected")

    with pytest.raises(OSError, match="as expected"):
        await together([slow(), failing(), slow()])
    assert ended == ["slow", "slow"]


async def test_cancelling_cancels_what_runs_and_closes_what_waits() -> None:
    started: list[int] = []

    async def one(number: int) -> None:
        started.append(number)
        await asyncio.sleep(60)

    task = asyncio.ensure_future(together([one(n) for n in range(5)], at_once=2))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started == [0, 1]
