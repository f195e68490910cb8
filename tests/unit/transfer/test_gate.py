"""The gate lets in as many as it is wide, in order, and survives cancelling."""

from __future__ import annotations

import asyncio

from kitfast.transfer.gate import Gate


async def enter(gate: Gate, seen: list[int], name: int, leave: asyncio.Event) -> None:
    async with gate:
        seen.append(name)
        await leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_as_wide_as_it_says_and_keeps_the_order() -> None:
    gate, seen, leave = Gate(2), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(enter(gate, seen, name, leave)) for name in range(5)]
    await settle()
    assert seen == [0, 1] and (gate.inside, gate.waiting) == (2, 3)
    gate.resize(3)
    await settle()
    assert seen == [0, 1, 2]
    leave.set()
    await asyncio.gather(*tasks)
    assert seen == [0, 1, 2, 3, 4] and gate.inside == 0


async def test_narrowing_sends_nobody_away_and_lets_fewer_in() -> None:
    gate, seen = Gate(3), list[int]()
    first, second = asyncio.Event(), asyncio.Event()
    inside = [asyncio.create_task(enter(gate, seen, name, first)) for name in range(3)]
    await settle()
    waiting = [asyncio.create_task(enter(gate, seen, name, second)) for name in range(3, 6)]
    gate.resize(0)
    await settle()
    assert gate.width == 1 and gate.inside == 3
    first.set()
    await asyncio.gather(*inside)
    await settle()
    assert seen == [0, 1, 2, 3] and gate.inside == 1
    second.set()
    await asyncio.gather(*waiting)


async def test_a_cancelled_task_leaves_no_hole() -> None:
    gate, seen, leave = Gate(1), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(enter(gate, seen, name, leave)) for name in range(3)]
    await settle()
    tasks[1].cancel()
    await settle()
    assert gate.waiting == 1
    # Let in and cancelled in the same turn of the loop: the place must go to the next one.
    late = asyncio.create_task(enter(gate, seen, 9, leave))
    await settle()
    gate.resize(2)
    tasks[2].cancel()
    await settle()
    assert seen == [0, 9] and gate.inside == 2
    leave.set()
    await asyncio.gather(tasks[0], late)
    assert gate.inside == 0
