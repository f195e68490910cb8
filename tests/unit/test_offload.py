"""Blocking calls on threads: results, failures, ticks, cancelling that ends them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest

from kitfast import offload
from kitfast._core import Meter


def _until_cancelled(started: threading.Event, ended: threading.Event, *, meter: Meter) -> None:
    started.set()
    deadline = time.monotonic() + 10
    while not meter.cancelled and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    ended.set()


async def test_it_returns_and_raises_what_the_call_does() -> None:
    assert await offload.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await offload.run(divmod, 1, 0)


async def test_ticks_come_on_the_loop_and_once_at_the_end() -> None:
    ticks: list[int] = []
    await offload.run(time.sleep, 0.25, tick=lambda: ticks.append(threading.get_ident()))
    assert len(ticks) >= 2
    assert set(ticks) == {threading.get_ident()}


async def test_cancelling_cancels_the_meter_and_waits_for_the_thread() -> None:
    started, ended, meter = threading.Event(), threading.Event(), Meter()
    task = asyncio.create_task(offload.run(_until_cancelled, started, ended, meter=meter))
    while not started.is_set():
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # an impatient second one must not leave the thread behind
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.cancelled
    assert ended.is_set()


async def test_a_failing_tick_cancels_the_call() -> None:
    started, ended, meter = threading.Event(), threading.Event(), Meter()

    def broken() -> None:
        raise RuntimeError("display")

    with pytest.raises(RuntimeError, match="display"):
        await offload.run(_until_cancelled, started, ended, meter=meter, tick=broken)
    assert ended.is_set()


async def test_many_long_calls_leave_the_loops_own_threads_free() -> None:
    release = threading.Event()
    calls = [asyncio.create_task(offload.run(release.wait, 10)) for _ in range(16)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), timeout=5) == "free"
    release.set()
    assert all(await asyncio.gather(*calls))


def test_ending_the_loop_ends_the_call() -> None:
    started, ended, meter = threading.Event(), threading.Event(), Meter()

    async def main() -> None:
        task = asyncio.create_task(offload.run(_until_cancelled, started, ended, meter=meter))
        while not started.is_set():
            await asyncio.sleep(0.005)
        assert not task.done()

    asyncio.run(main())
    assert ended.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is one of Linux")
async def test_its_threads_give_way_and_this_one_does_not() -> None:
    usual = os.sched_getscheduler(0)
    if usual != os.SCHED_OTHER:
        pytest.skip(f"runs under scheduling policy {usual}, which kitfast leaves alone")
    assert await offload.run(os.sched_getscheduler, 0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == usual
