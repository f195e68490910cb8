"""Kits that hold what reads like the marker of another kit: it is never believed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support import folders
from tests.support.faults import FaultyRegistry

from kitfast import aio, errors
from kitfast.modelkit.marker import KIND, Choice, Marker
from kitfast.settings import Network

PLAIN = Network(plain_http=True)
NAME = "w/.complete"


class Pair:
    """A good kit, and one of a stranger that says in a file of its own to be the good one."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.target = folder / "target"
        self.marker = self.target / NAME
        self.good = self.evil = ""

    async def pack(self, folder: Path, **files: Any) -> None:
        self.good = await self._packed(folder / "good", {"w/model.bin": b"good"})
        forged = json.dumps(
            {
                "kind": KIND,
                "digest": self.good,
                "parents": [],
                "verified": "layer",
                "choice": {"filters": [], "include": [], "exclude": []},
                "files": files,
            }
        )
        held = {"w/model.bin": b"evil", NAME: forged.encode()}
        self.evil = await self._packed(folder / "evil", held)

    async def _packed(self, folder: Path, files: dict[str, bytes]) -> str:
        for name, data in files.items():
            folders.write(folder / name, data)
        folders.write(folder / "Kitfile", b"manifestVersion: 1.0.0\nmodel: {path: w}\n")
        return (await aio.pack(folder, tags=[f"{folder.name}:v1"], home=self.home)).digest

    async def unpack(self, reference: str, **more: Any) -> aio.Unpacked:
        given = {"marker": self.marker, "overwrite": True, "home": self.home} | more
        return await aio.unpack(reference, self.target, **given)

    def model(self) -> bytes:
        return (self.target / "w" / "model.bin").read_bytes()


@pytest.fixture
async def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path)
    await made.pack(tmp_path)
    return made


async def test_it_is_removed_when_it_is_refused(pair: Pair) -> None:
    with pytest.raises(errors.InvalidArgument, match="a file of the kit"):
        await pair.unpack(pair.evil)
    assert not pair.marker.exists()
    assert pair.model() == b"evil"
    done = await pair.unpack(pair.good)
    assert not done.unchanged
    assert pair.model() == b"good"


@pytest.mark.parametrize("files", [{}, {"nothing": []}, {"w/model.bin": [4, 1, 1]}])
async def test_without_a_marker_asked_for_it_is_not_believed(
    tmp_path: Path, files: dict[str, list[int]]
) -> None:
    pair = Pair(tmp_path)
    await pair.pack(tmp_path, **files)
    await pair.unpack(pair.evil, marker=None)
    assert pair.marker.exists()
    assert not (await pair.unpack(pair.good)).unchanged
    assert pair.model() == b"good"
    assert (await pair.unpack(pair.good)).unchanged


async def test_one_that_guesses_all_stamps_is_not_believed(pair: Pair) -> None:
    await pair.unpack(pair.good)
    told = pair.marker.read_bytes()
    (pair.target / "w" / "model.bin").write_bytes(b"evil")
    status = (pair.target / "w" / "model.bin").stat()
    said = json.loads(told)
    said["files"]["w/model.bin"] = [status.st_size, status.st_mtime_ns]
    # As a kit's file comes: a new one, with the time of now.
    folders.write(pair.marker, json.dumps(said).encode())
    assert not (await pair.unpack(pair.good)).unchanged
    assert pair.model() == b"good"


async def test_a_file_of_a_kit_that_failed_does_not_stay_in_its_place(
    pair: Pair, tmp_path: Path
) -> None:
    source = tmp_path / "evil"
    folders.write(source / "d" / "data.bin", b"data")
    text = b"manifestVersion: 1.0.0\nmodel: {path: w}\ndatasets: [{path: d}]\n"
    folders.write(source / "Kitfile", text)
    await aio.pack(source, tags=["evil:v2"], home=pair.home)
    # The layers come one after the other, and the second one finds a file in its way.
    folders.write(pair.target / "d" / "data.bin", b"somebody's own")
    network = Network(concurrency=1)
    with pytest.raises(errors.AlreadyExists):
        await pair.unpack("evil:v2", overwrite=False, network=network)
    assert pair.model() == b"evil"
    assert not pair.marker.exists()
    # The same where the file is kept, and nobody can vouch for it.
    shutil.rmtree(pair.target / "w")
    with pytest.raises(errors.AlreadyExists, match="there before"):
        await pair.unpack("evil:v2", overwrite=False, ignore_existing=True, network=network)
    assert pair.model() == b"evil"
    assert not pair.marker.exists()


def test_a_place_seen_by_another_name_is_the_same(tmp_path: Path) -> None:
    # As on a disk that takes `A` for `a`, or in a folder that is mounted twice.
    folders.write(tmp_path / "target" / "a", b"data")
    marker = Marker(tmp_path / "A", tmp_path / "target", Choice((), (), ()))
    assert not marker.take_back(["a"])
    marker.path.hardlink_to(tmp_path / "target" / "a")
    assert not marker.take_back(["b"])
    assert marker.path.exists()
    assert marker.take_back(["b", "a"])
    assert not marker.path.exists()


async def test_a_list_tells_it_before_anything_is_fetched(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name, size in (("a.bin", 3_000_000), ("b.bin", 3_000_000), (".complete", 10)):
        folders.write(source / "w" / name, os.urandom(size))
    folders.write(source / "Kitfile", b"manifestVersion: 1.0.0\nmodel: {path: w}\n")
    with FaultyRegistry() as registry:
        tag = f"{registry.host}/some/kit:v1"
        await aio.push(source, tag, home=tmp_path / "home", network=PLAIN)
        (layer,) = (digest for digest, data in registry.blobs.items() if len(data) > 1 << 20)
        with pytest.raises(errors.InvalidArgument, match="a file of the kit"):
            await aio.unpack(
                tag,
                target,
                include=["a.bin", ".complete"],
                marker=target / NAME,
                home=tmp_path / "empty",
                network=PLAIN,
            )
        assert not registry.sent.get(layer)
    assert not target.exists()
