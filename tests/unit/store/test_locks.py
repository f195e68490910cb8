"""Locks between processes: shared, alone, and gone with their process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from kitfast.store import locks

HOLD = """
import asyncio, sys
from pathlib import Path
from kitfast.store import locks
async def main():
    async with locks.exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_shared_holders_do_not_wait_and_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    async with locks.shared(path), locks.shared(path):
        with locks.alone(path) as free:
            assert not free
    with locks.alone(path) as free:
        assert free


async def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    order: list[object] = []

    async def hold(name: str) -> None:
        async with locks.exclusive(tmp_path / "lock") as waited:
            order.append((name, waited))
            await asyncio.sleep(0.02)
            order.append(name)

    await asyncio.gather(hold("a"), hold("b"))
    assert order == [("a", False), "a", ("b", True), "b"]


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with locks.alone(path) as free:
        assert not free
    child.kill()
    child.wait()
    child.stdout.close()
    with locks.alone(path) as free:
        assert free
