"""What `resolve` and `forget` leave where they are killed, and who takes it away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support import folders

from kitfast import aio, errors
from kitfast.store import locks
from kitfast.store.trees import Trees


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def digest(tmp_path: Path, home: Path) -> str:
    source = folders.shards(tmp_path / "source", 1, 1000)
    return (await aio.pack(source, tags=["kit:v1"], home=home)).digest


def _half_made(home: Path, digest: str) -> Path:
    """As a killed `resolve` leaves it."""
    partial = Trees(home).partial(digest.removeprefix("sha256:"))
    folders.write(partial / ".kitfast-staging" / "part", b"x" * 100_000)
    return partial


def _left(home: Path) -> Path:
    """As a killed `forget` leaves it."""
    gone = home / "trees" / ".gone-0123"
    folders.write(gone / "d" / "file", b"x" * 100_000)
    return gone


async def test_info_counts_what_resolve_made(home: Path, digest: str) -> None:
    before = await aio.cache_info(home=home)
    assert before.folders[-1].name == "trees"
    assert before.folders[-1].size == 0
    _half_made(home, digest)
    after = await aio.cache_info(home=home)
    assert after.folders[-1].files == 1
    assert after.size - before.size == after.folders[-1].size >= 100_000


async def test_prune_leaves_what_can_go_on(home: Path, digest: str) -> None:
    whole = Path(await aio.resolve("kit:v1", home=home))
    partial, gone = _half_made(home, digest), _left(home)
    assert (await aio.cache_prune(home=home)).size >= 100_000
    assert whole.is_dir() and partial.is_dir() and not gone.exists()


async def test_forget_minds_nothing_that_was_left(home: Path, digest: str) -> None:
    whole = Path(await aio.resolve("kit:v1", home=home))
    folders.write(whole.with_name(f".gone-{whole.name}") / "d" / "file", b"x")
    assert (await aio.forget("kit:v1", home=home)).paths == (str(whole),)
    assert not whole.exists()


async def test_clear_leaves_what_is_whole(home: Path, digest: str) -> None:
    whole = Path(await aio.resolve("kit:v1", home=home))
    partial, gone = _half_made(home, digest), _left(home)
    assert (await aio.cache_clear(home=home)).size >= 200_000
    assert whole.is_dir() and not partial.exists() and not gone.exists()


async def test_clear_leaves_a_resolve_at_work_alone(home: Path, digest: str) -> None:
    partial = _half_made(home, digest)
    async with locks.shared(home / "in-use"):
        with pytest.raises(errors.InvalidArgument, match="another process"):
            await aio.cache_clear(home=home)
    assert partial.is_dir()


async def test_forget_removes_what_is_half_made(home: Path, digest: str) -> None:
    partial = _half_made(home, digest)
    with locks.alone(Trees(home).lock(digest.removeprefix("sha256:"))):
        assert (await aio.forget("kit:v1", home=home)).paths == ()
    assert partial.is_dir(), "whoever holds the lock is at work on it"
    assert (await aio.forget("kit:v1", home=home)).paths == (str(partial),)
    assert not partial.exists()


def _nest(folder: Path, levels: int) -> None:
    """Makes folders in folders, of which the path gets longer than one may be."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 100, dir_fd=here)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_folder_goes_however_deep_it_is_and_no_link_is_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    folders.write(precious / "file", b"mine")
    precious.chmod(0o555)
    trees = Trees(tmp_path)
    made = trees.whole("abc")
    made.mkdir(parents=True)
    (made / "link").symlink_to(precious)
    _nest(made, 1500)
    trees.remove(made)
    assert list(trees.folder.iterdir()) == []
    assert (precious / "file").read_bytes() == b"mine"
    assert precious.stat().st_mode & 0o777 == 0o555
