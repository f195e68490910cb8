"""Reading single files of kits in place: from the store, and by ranges."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.commands import Kitfast, refused
from tests.support.folders import awkward
from tests.support.registries import Running, plain_registry

import kitfast
from kitfast import aio, errors
from kitfast.registry import Registry, retry
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
NAMES = [
    "weights/size-1048576",
    "weights/size-0",
    "part.safetensors",
    "many/07/1007.txt",
    "names/ünïcödé 模型 🚀/naïve\tname",
    "/".join(["names", *["s" * 100] * 3, "t" * 255]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return awkward(tmp_path_factory.mktemp("awkward"))


@pytest.fixture(scope="module")
def kit(folder: Path, plain_registry: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    reference = f"{plain_registry.host}/open/kit:v1"
    kitfast.push(folder, reference, home=tmp_path_factory.mktemp("home"), network=PLAIN)
    return reference


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unverified", [False, True])
def test_a_file_is_what_it_was(
    tmp_path: Path, folder: Path, kit: str, name: str, unverified: bool
) -> None:
    data = (folder / name).read_bytes()
    home = tmp_path / "home"
    opened = kitfast.open(kit, name, unverified=unverified, home=home, network=PLAIN)
    with opened as file:
        assert (file.size, file.verified) == (len(data), not unverified)
        assert file.seek(-1 if data else 0, io.SEEK_END) == max(0, len(data) - 1)
        assert file.read() == data[-1:]
        assert (file.read(5), file.tell()) == (b"", len(data))
        file.seek(len(data) // 2)
        assert file.read(1000) == data[len(data) // 2 :][:1000]
        file.seek(0)
        assert io.BufferedReader(file).read() == data
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


async def test_a_file_of_the_store_needs_no_registry(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    await aio.pack(folder, tags=["local:v1"], layer_format="raw", home=home)
    for name in ("README.md", "weights/size-513"):
        file = await aio.open("local:v1", name, home=home)
        assert file.verified
        assert file.read() == (folder / name).read_bytes()
        file.close()
    for missing in ("weights", "weights/no", "nothing"):
        with pytest.raises(errors.NotFound, match="has no file") as told:
            await aio.open("local:v1", missing, home=home)
        assert "kitfast info" in str(told.value.hint)
    await aio.pack(folder, tags=["zipped:v1"], compression="zstd", home=home)
    with pytest.raises(errors.InvalidArgument) as told:
        await aio.open("zipped:v1", "README.md", home=home)
    assert "--include README.md" in str(told.value.hint)


def test_cat_writes_bytes_and_nothing_else(tmp_path: Path, folder: Path, kit: str) -> None:
    program = Kitfast(tmp_path)
    words = ("cat", kit, "part.safetensors", "--plain-http")
    child = program.start(*words, "--unverified", stdout=subprocess.PIPE)
    out, _ = child.communicate()
    assert (child.returncode, out) == (0, (folder / "part.safetensors").read_bytes())
    assert program.run("cat", kit, "README.md", "--plain-http").stdout == (
        (folder / "README.md").read_text("utf-8")
    )
    refused(program.run("cat", kit, "no", "--plain-http", status=None), "has no file no")


def test_a_range_that_breaks_is_asked_for_again(
    tmp_path: Path, folder: Path, kit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)
    healthy = Registry.get_blob
    left = 0

    def broken(self: Registry, *words: str, start: int, end: int, size: int) -> object:
        nonlocal left
        left -= 1
        if left >= 0:
            raise errors.ConnectionFailed("broken")
        return healthy(self, *words, start=start, end=end, size=size)

    monkeypatch.setattr(Registry, "get_blob", broken)
    home = tmp_path / "home"
    with kitfast.open(kit, "README.md", unverified=True, home=home, network=PLAIN) as file:
        left = retry.ATTEMPTS - 1
        assert file.read() == (folder / "README.md").read_bytes()
        file.seek(0)
        left = retry.ATTEMPTS
        with pytest.raises(errors.ConnectionFailed):
            file.read(1)


async def test_an_open_that_is_given_up_ends_all_it_began(
    tmp_path: Path, kit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = threading.Event(), threading.Event()

    @contextlib.asynccontextmanager
    async def hanging(self: Registry, *words: str, **more: int) -> AsyncIterator[object]:
        asked.set()
        try:
            await asyncio.sleep(60)
            yield object()
        finally:
            ended.set()

    monkeypatch.setattr(Registry, "get_blob", hanging)
    work = aio.open(kit, "README.md", file_digests=False, home=tmp_path / "home", network=PLAIN)
    opening = asyncio.ensure_future(work)
    await asyncio.to_thread(asked.wait, 10)
    running = {thread for thread in threading.enumerate() if thread.name == "kitfast-open"}
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(opening, 10)
    assert ended.is_set()
    assert running and not any(thread.is_alive() for thread in running)
    # Its thread waits for nothing either, or no program would ever end.
    await asyncio.wait_for(asyncio.get_running_loop().shutdown_default_executor(), 10)
