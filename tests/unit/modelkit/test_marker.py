"""The marker of `unpack`: there only while the folder holds all that was asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import folders
from tests.support.faults import FaultyRegistry

from kitfast import aio, errors
from kitfast.modelkit.marker import KIND
from kitfast.settings import Network

PLAIN = Network(plain_http=True)


class Kit:
    """A kit in the store, a folder to unpack it to, and the marker for that."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.source = folders.shards(folder / "source", 2, 10_000)
        self.target = folder / "target"
        self.marker = self.target / ".complete"
        self.digest = ""

    async def unpack(self, **more: Any) -> aio.Unpacked:
        given = {"marker": self.marker} | more
        return await aio.unpack("kit:v1", self.target, home=self.home, **given)

    def is_whole(self) -> bool:
        found = folders.tree(self.target)
        found.pop(".complete", None)
        return found == folders.tree(self.source)


@pytest.fixture
async def kit(tmp_path: Path) -> Kit:
    made = Kit(tmp_path)
    made.digest = (await aio.pack(made.source, tags=["kit:v1"], home=made.home)).digest
    return made


async def test_it_holds_the_digest_and_spares_the_second_time(kit: Kit) -> None:
    done = await kit.unpack()
    assert (done.files, done.unchanged) == (4, False)
    assert json.loads(kit.marker.read_text())["digest"] == kit.digest
    # Another rule for what is there makes no difference: there is nothing to write.
    for more in ({}, {"ignore_existing": True}, {"overwrite": True}):
        again = await kit.unpack(**more)
        assert (again.digest, again.unchanged) == (kit.digest, True)
        assert (again.files, again.kept, again.fetched) == (0, 4, 0)
    assert kit.is_whole()


def _remove(file: Path) -> None:
    file.unlink()


def _touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def _cut(file: Path) -> None:
    os.truncate(file, 1)


async def test_a_place_for_no_marker_is_refused_before_anything_is_written(
    kit: Kit, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    cases: dict[Path, type[errors.KitfastError]] = {
        tmp_path / "folder": errors.FileError,
        tmp_path / "file" / "marker": errors.FileError,
        kit.target: errors.InvalidArgument,
        tmp_path: errors.InvalidArgument,
    }
    for marker, kind in cases.items():
        with pytest.raises(kind, match="marker") as refused:
            await kit.unpack(marker=marker)
        assert "name a file for the marker" in str(refused.value.hint)
        assert not kit.target.exists()
    # Where nothing is yet, folders are made.
    await kit.unpack(marker=tmp_path / "some" / "where" / "marker")
    assert kit.is_whole()


@pytest.mark.parametrize("harm", [_remove, _touch, _cut])
async def test_a_file_that_changed_is_seen(kit: Kit, harm: Callable[[Path], None]) -> None:
    await kit.unpack()
    harm(kit.target / "shards" / "model-00001.safetensors")
    with pytest.raises(errors.AlreadyExists):
        await kit.unpack()
    assert not kit.marker.exists(), "the folder is not whole: nothing may say so"
    assert not (await kit.unpack(overwrite=True)).unchanged
    assert kit.is_whole() and (await kit.unpack()).unchanged


async def test_a_linked_file_is_known_by_its_inode(kit: Kit) -> None:
    folders.shards(kit.source, 2, 100_000)  # smaller files are not stored as contents
    await aio.pack(kit.source, tags=["kit:v1"], home=kit.home)
    await kit.unpack(link=True)
    first = kit.target / "shards" / "model-00000.safetensors"
    other = kit.target / "shards" / "model-00001.safetensors"
    assert first.stat().st_nlink > 1
    assert first.stat().st_size == other.stat().st_size
    assert (await kit.unpack(link=True)).unchanged
    # That the store hashed it again, and believes it for ever, changes no byte.
    for file in (first, other):
        os.utime(file, ns=(10**9, 10**9))
    assert (await kit.unpack(link=True)).unchanged
    first.unlink()
    first.hardlink_to(other)
    with pytest.raises(errors.AlreadyExists):
        await kit.unpack(link=True)


async def test_another_kit_or_choice_is_another_matter(kit: Kit) -> None:
    await kit.unpack(filters=["docs"])
    assert (await kit.unpack(filters=["docs"])).unchanged
    assert not (await kit.unpack(overwrite=True)).unchanged
    folders.write(kit.source / "README.md", b"# Another\n")
    await aio.pack(kit.source, tags=["kit:v1"], home=kit.home)
    assert (await kit.unpack(overwrite=True)).digest != kit.digest
    assert kit.is_whole()


async def test_nobody_vouches_for_files_that_were_kept(kit: Kit) -> None:
    folders.write(kit.target / "README.md", b"# Somebody's own\n")
    with pytest.raises(errors.AlreadyExists, match="1 file was there before"):
        await kit.unpack(ignore_existing=True)
    folders.write(kit.target / "shards" / "model-00000.safetensors", b"somebody's own")
    (kit.target / "README.md").unlink()
    with pytest.raises(errors.AlreadyExists, match="there before"):
        await kit.unpack(ignore_existing=True)
    assert not kit.marker.exists()


async def test_a_kitfile_that_is_the_same_is_verified(kit: Kit) -> None:
    await kit.unpack(filters=["kitfile"], marker=None)
    await kit.unpack(ignore_existing=True)
    assert kit.marker.exists()


@pytest.mark.parametrize("text", ["weights", "[]", "{}", '"kitfast unpacked"', "[" * 100_000])
async def test_other_files_are_left_alone(kit: Kit, text: str) -> None:
    folders.write(kit.marker, text.encode())
    with pytest.raises(errors.AlreadyExists, match="no marker"):
        await kit.unpack(overwrite=True)
    assert kit.marker.read_text() == text
    assert list(kit.target.iterdir()) == [kit.marker]


async def test_a_name_of_the_kits_own_is_refused(kit: Kit) -> None:
    for name in ("README.md", "Kitfile", "shards"):
        with pytest.raises(errors.InvalidArgument, match="a file of the kit"):
            await kit.unpack(marker=kit.target / name)
        assert not kit.target.exists(), "the Kitfile has told it: nothing need be written"
    # What is not asked for is not in the way.
    await kit.unpack(marker=kit.target / "README.md", exclude=["README.md"])
    assert (await kit.unpack(marker=kit.target / "README.md", exclude=["README.md"])).unchanged


@pytest.mark.parametrize(
    "change",
    [
        {"digest": 1},
        {"files": []},
        {"files": {"a\0b": [1, 1]}},
        {"files": {}},
        {"files": {"there is none": []}},
        {"files": {"/etc/passwd": None}},
        {"files": {"/no/such/file": [1, 1]}},
        {"files": {"../home/x": [1, 1]}},
        {"parents": [None]},
        {"verified": "none"},
        {"verified": ["layer"]},
        {"choice": "all"},
        {"digest": "sha256:" + "0" * 64},
    ],
)
async def test_a_forged_marker_vouches_for_nothing(kit: Kit, change: dict[str, Any]) -> None:
    await kit.unpack()
    said = json.loads(kit.marker.read_text()) | change
    assert said["kind"] == KIND
    kit.marker.write_text(json.dumps(said))
    os.utime(kit.marker, (10**9, 10**9))
    assert not (await kit.unpack(overwrite=True)).unchanged
    assert json.loads(kit.marker.read_text())["digest"] == kit.digest


async def test_by_digest_no_registry_is_asked(kit: Kit) -> None:
    with FaultyRegistry() as registry:
        name = f"{registry.host}/some/kit"
        pushed = await aio.push(kit.source, f"{name}:v1", home=kit.home, network=PLAIN)
        exact = f"{name}@{pushed.digest}"
        there = {"marker": kit.marker, "home": kit.home, "network": PLAIN}
        first = await aio.unpack(exact, kit.target, remote=True, **there)
        assert first.fetched and not first.unchanged
        asked = len(registry.seen)
        assert (await aio.unpack(f"{name}:v1", kit.target, remote=True, **there)).unchanged
        assert {seen.kind for seen in registry.seen[asked:]} <= {"manifest", "blob"}
        assert sum(registry.sent.values()) < first.fetched + 10_000
        asked = len(registry.seen)
        assert (await aio.unpack(exact, kit.target, remote=True, **there)).unchanged
        assert len(registry.seen) == asked


async def test_it_tells_what_the_files_were_held_against(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name, size in (("w/a.bin", 3_000_000), ("w/b.bin", 3_000_000)):
        folders.write(source / name, os.urandom(size))
    folders.write(source / "Kitfile", b"manifestVersion: 1.0.0\nmodel: {path: w}\n")
    with FaultyRegistry() as registry:
        tag = f"{registry.host}/some/kit:v1"
        pushed = await aio.push(source, tag, home=tmp_path / "home", network=PLAIN)
        exact = f"{registry.host}/some/kit@{pushed.digest}"

        async def unpack(reference: str, **more: Any) -> aio.Unpacked:
            return await aio.unpack(
                reference,
                target,
                include=["a.bin"],
                marker=tmp_path / "marker",
                home=tmp_path / "empty",
                network=PLAIN,
                **more,
            )

        assert (await unpack(tag)).verified == "file"
        for reference, more in ((tag, {}), (exact, {"file_digests": True})):
            again = await unpack(reference, **more)
            assert (again.unchanged, again.verified) == (True, "file")
        # Whoever wants the layer's digest is not content with less.
        for reference, more in ((exact, {}), (tag, {"file_digests": False})):
            assert (await unpack(tag, overwrite=True)).verified == "file"
            again = await unpack(reference, overwrite=True, **more)
            assert (again.unchanged, again.verified) == (False, "layer")
            (tmp_path / "marker").unlink()
        assert (await unpack(exact, overwrite=True)).verified == "layer"
        again = await unpack(tag)
        assert (again.unchanged, again.verified) == (True, "layer")
