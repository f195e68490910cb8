"""Large files read by groups: few bytes cross, and no wrong one gets through.

The relay is on the loop of the test: what reads a file waits on a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.parts import CHANGE, PLAIN, relay
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay

from kitfast import _core, aio, errors
from kitfast.modelkit.filelist import FILES, ListedFile, ListedLayer, place_values, values_of
from kitfast.modelkit.groups import AHEAD, SIZE
from kitfast.modelkit.kit import fetch
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor

__all__ = ["plain_registry", "relay"]

#: The first is a layer of its own; both end in a group that is smaller than the others.
SIZES = {"lone.bin": 5 * SIZE + 1_000, "w/big.bin": 2 * SIZE + 2_000, "w/small.bin": SIZE}
LAST = {"lone.bin": 1_000, "w/big.bin": 2_000}
KITFILE = "manifestVersion: 1.0.0\nmodel: {path: lone.bin, parts: [{path: w}]}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    (folder / "w").mkdir()
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "Kitfile").write_text(KITFILE)
    return folder


@pytest.fixture(scope="module")
def pushed(
    folder: Path, plain_registry: Running, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Pushes the folder once in each way; answers what the registry calls it."""
    home = tmp_path_factory.mktemp("home")
    done: set[str] = set()

    def push(how: str) -> str:
        name = f"groups/{how}:v1"
        if name not in done:
            program = Kitfast(home)
            reference = f"{plain_registry.host}/{name}"
            if how == "packed":
                program.run("pack", folder, "--tag", reference)
                program.run("push", reference, "--plain-http")
            else:
                program.run("push", folder, reference, "--plain-http")
            done.add(name)
        return name

    return push


async def opened(relay: Relay, name: str, path: str, home: Path) -> aio.KitFile:
    relay.sent = 0
    return await aio.open(f"{relay.host}/{name}", path, home=home, network=PLAIN)


@pytest.mark.parametrize("how", ["packed", "folder"])
@pytest.mark.parametrize("path", ["lone.bin", "w/big.bin"])
async def test_only_the_groups_that_are_read_cross(
    tmp_path: Path, folder: Path, relay: Relay, pushed: Callable[[str], str], how: str, path: str
) -> None:
    data = (folder / path).read_bytes()
    with await opened(relay, pushed(how), path, tmp_path) as file:
        assert (file.size, file.verified) == (len(data), True)
        assert await asyncio.to_thread(file.read, 5000) == data[:5000]
        assert relay.sent <= SIZE + CHANGE
        # Across a border, near the end.
        at = len(data) - LAST[path] - 10
        file.seek(at)
        assert await asyncio.to_thread(file.read, 20) == data[at : at + 20]
        assert relay.sent <= 2 * SIZE + LAST[path] + CHANGE
    with await opened(relay, pushed(how), path, tmp_path) as file:
        assert await asyncio.to_thread(io.BufferedReader(file).read) == data
        # Each group once, also those that are fetched ahead.
        assert relay.sent <= len(data) + CHANGE
    assert not list((tmp_path / "contents").rglob("*/*"))


async def test_a_folder_gets_the_values_that_pack_and_push_give(
    tmp_path: Path, folder: Path, plain_registry: Running, pushed: Callable[[str], str]
) -> None:
    digests = set()
    for how in ("packed", "folder"):
        name = references.parse(f"{plain_registry.host}/{pushed(how)}")
        async with connected(name, tmp_path, PLAIN) as registry:
            kit = await fetch(registry, name)
            (entry,) = await registry.referrers(name.repository, kit.digest, FILES)
        digests.add(entry.digest)
    assert len(digests) == 1


async def test_what_is_far_apart_is_kept_and_nothing_is_fetched_ahead(
    tmp_path: Path, folder: Path, relay: Relay, pushed: Callable[[str], str]
) -> None:
    data = (folder / "lone.bin").read_bytes()
    with await opened(relay, pushed("packed"), "lone.bin", tmp_path) as file:
        for at in [4 * SIZE, 2 * SIZE + 7, 0, 4 * SIZE + 9, 2 * SIZE] * 2:
            file.seek(at)
            assert await asyncio.to_thread(file.read, 100) == data[at : at + 100]
        assert relay.sent <= 3 * SIZE + CHANGE
        file.seek(1)
        assert await asyncio.to_thread(file.read, len(data)) == data[1:]
    assert len(data) > AHEAD * SIZE, "more than one window was read"


def flip(length: int, times: int = 100) -> Callable[[str, bytes], bytes]:
    """Flips a bit of the first so many bodies of this length."""
    left = [times]

    def change(_: str, body: bytes) -> bytes:
        if len(body) != length or not left[0]:
            return body
        left[0] -= 1
        return bytes([body[0] ^ 1, *body[1:]])

    return change


@pytest.mark.parametrize("path", ["lone.bin", "w/big.bin"])
async def test_a_flipped_bit_is_an_error_and_no_byte(
    tmp_path: Path, folder: Path, relay: Relay, pushed: Callable[[str], str], path: str
) -> None:
    data, whole = (folder / path).read_bytes(), SIZES[path] - LAST[path]
    relay.change = flip(LAST[path])
    with await opened(relay, pushed("packed"), path, tmp_path) as file:
        assert await asyncio.to_thread(file.read, whole) == data[:whole]
        for _ in range(2):
            with pytest.raises(errors.Corrupt, match=f"{path}: bytes {whole} to") as told:
                await asyncio.to_thread(file.read, 1)
            assert "--no-file-digests" in str(told.value.hint)
            assert file.tell() == whole
        relay.change = lambda _, body: body
        assert await asyncio.to_thread(file.read) == data[whole:]
    # Once on its way is no fault of the kit.
    relay.change = flip(SIZE, 1)
    with await opened(relay, pushed("packed"), path, tmp_path) as file:
        assert await asyncio.to_thread(file.read, 10) == data[:10]
    relay.change = flip(SIZE)
    with pytest.raises(errors.Corrupt, match=f"{path}: bytes 0 to"):
        await opened(relay, pushed("packed"), path, tmp_path)


@pytest.mark.parametrize("path", ["lone.bin", "w/big.bin"])
@pytest.mark.parametrize("fault", ["lying", "gone", "no ranges"])
async def test_without_good_chaining_values_all_of_a_file_is_fetched_and_verified(
    tmp_path: Path,
    folder: Path,
    relay: Relay,
    pushed: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    path: str,
    fault: str,
) -> None:
    values = b"".join(chaining(folder / name) for name in ("w/big.bin", "lone.bin"))
    blob = f"/blobs/sha256:{hashlib.sha256(values).hexdigest()}"
    name = pushed("packed")
    if fault == "lying":
        relay.change = flip(_core.Groups.values_length(SIZES[path]))
    elif fault == "gone":
        relay.refuse = lambda path: 404 if path.endswith(blob) else 0
    else:
        relay.ranges = False
    with await opened(relay, name, path, tmp_path) as file:
        assert file.verified
        assert await asyncio.to_thread(file.read) == (folder / path).read_bytes()
    assert relay.sent > SIZES[path]
    assert ("cannot be read by groups" in caplog.text) == (fault != "no ranges")


def chaining(path: Path) -> bytes:
    """The chaining values of a file, as a layer of it tells them."""
    members = _core.Blob.of_source(_core.LayerSource([(path.name, str(path), 0o644)])).members()
    return members[0][-1]


async def test_a_file_of_one_group_is_fetched_into_the_store(
    tmp_path: Path, folder: Path, relay: Relay, pushed: Callable[[str], str]
) -> None:
    for most in (SIZE + CHANGE, CHANGE):
        with await opened(relay, pushed("packed"), "w/small.bin", tmp_path) as file:
            assert await asyncio.to_thread(file.read) == (folder / "w/small.bin").read_bytes()
        assert relay.sent <= most


def test_cat_streams_what_it_verifies(
    tmp_path: Path, folder: Path, plain_registry: Running, pushed: Callable[[str], str]
) -> None:
    program = Kitfast(tmp_path)
    reference = f"{plain_registry.host}/{pushed('folder')}"
    words = ("cat", reference, "lone.bin", "--plain-http")
    out, _ = program.start(*words, stdout=subprocess.PIPE).communicate()
    assert out == (folder / "lone.bin").read_bytes()
    assert not list((program.home / "contents").rglob("*/*"))


def test_chaining_values_that_cannot_belong_to_a_list_are_refused() -> None:
    hash_of = "blake3:" + "cd" * 32
    files = tuple(
        ListedFile(f"{size}", 512, size, 0o644, hash_of) for size in (7, SIZE + 1, SIZE, 3 * SIZE)
    )
    layers = {"a": ListedLayer("a", 1, files, ()), "b": ListedLayer("b", 1, files[1:2], (), ("x",))}
    blob = Descriptor("x", "sha256:" + "ef" * 32, 64 + 96 + 64)
    placed = place_values(layers, blob)
    at = [values_of(placed["a"], file) for file in files]
    assert [(one.offset, one.length) for one in at if one] == [(0, 0), (0, 64), (64, 0), (64, 96)]
    lone = values_of(placed["b"], files[1])
    assert lone is not None
    assert (lone.offset, lone.length) == (160, 64)
    assert values_of(layers["a"], files[1]) is None
    for size in (0, 192, 256):
        with pytest.raises(errors.Corrupt, match="chaining values"):
            place_values(layers, replace(blob, size=size))
