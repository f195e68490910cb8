"""What `bench` says of this machine is what it did, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from kitfast import _core, aio, errors
from kitfast.modelkit import ceilings, link
from kitfast.progress import Progress

MIB = 1 << 20


async def test_every_rate_is_of_the_bytes_that_were_asked_for(tmp_path: Path) -> None:
    events: list[Progress] = []
    folder = tmp_path / "new" / "folder"
    found = await aio.bench(folder=folder, size=8 * MIB, progress=events.append)
    assert [one.name for one in found.machine] == list(ceilings.STEPS)
    assert all(7 * MIB < one.size <= 8 * MIB for one in found.machine)
    assert all(one.rate == pytest.approx(one.size / one.seconds, rel=0.2) for one in found.machine)
    assert (found.folder, found.cores, found.link) == (str(folder), os.cpu_count(), None)
    assert not any(folder.iterdir())
    last = events[-1]
    assert (last.step, last.finished, last.done) == ("measure", True, last.total)
    assert last.done == sum(one.size for one in found.machine)


async def test_the_home_is_measured_where_no_folder_is_given(tmp_path: Path) -> None:
    found = await aio.bench(home=tmp_path / "home", size=MIB)
    assert found.folder == str(tmp_path / "home")
    assert not any((tmp_path / "home").iterdir())


@pytest.mark.parametrize("wrong", [{"size": MIB - 1}, {"seconds": 0}])
async def test_what_measures_nothing_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(errors.InvalidArgument):
        await aio.bench(folder=tmp_path, **wrong)  # type: ignore[arg-type]


async def test_a_disk_that_is_too_small_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(errors.NoSpace, match="are needed"):
        await aio.bench(folder=tmp_path, size=1 << 60)


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.FileError, match="file"):
        await aio.bench(folder=tmp_path / "file", size=MIB)


async def test_files_that_cannot_be_made_are_an_error_with_the_folder(tmp_path: Path) -> None:
    meter = _core.Meter()
    with pytest.raises(errors.FileError, match="gone"):
        await asyncio.to_thread(ceilings.measure, tmp_path / "gone", MIB, meter)


async def test_cancelling_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    open_before = _open_files()
    events: list[Progress] = []
    task = asyncio.ensure_future(aio.bench(folder=tmp_path, size=512 * MIB, progress=events.append))
    while not events:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert not any(tmp_path.iterdir())
    assert _open_files() <= open_before + 4


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_ranges_of_what_a_manifest_claims_are_not_held_in_memory() -> None:
    parts = link._parts(2**63 - 1, 1 << 24, 8)
    assert next(parts) == (0, 1 << 24)
    assert list(link._parts(10, 4, 2)) == [(0, 4), (4, 8), (8, 10)]
