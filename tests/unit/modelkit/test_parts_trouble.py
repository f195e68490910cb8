"""Single files out of a layer where list, bytes or registry are not right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.parts import CHANGE, PLAIN, SIZES, folder, found, pushed, relay, wanted
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay

from kitfast import _core, aio, errors
from kitfast.modelkit import choose, parts
from kitfast.modelkit.collide import STAGING
from kitfast.modelkit.fetch import Arrivals
from kitfast.modelkit.filelist import ListedFile, ListedFolder, ListedLayer
from kitfast.modelkit.patterns import Chooser
from kitfast.oci.descriptor import Descriptor
from kitfast.settings import Network

__all__ = ["folder", "plain_registry", "relay"]

EMPTY_AND_SMALL = ["w/c/empty", "w/config.json"]


@pytest.mark.parametrize("name", ["a.bin", "config.json"])
async def test_one_flipped_bit_is_found(
    tmp_path: Path, folder: Path, relay: Relay, name: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)

    def flip(path: str, body: bytes) -> bytes:
        if "/blobs/" not in path or body[:1] in (b"{", b""):
            return body
        return body[:600] + bytes([body[600] ^ 1]) + body[601:]

    relay.change = flip
    out, home = tmp_path / "out", tmp_path / "home"
    with pytest.raises(errors.DigestMismatch, match=f"w/{name}") as caught:
        await aio.unpack(reference, out, include=[name], home=home, network=PLAIN)
    assert "--no-file-digests" in (caught.value.hint or "")
    assert found(out) == {}
    relay.change = lambda _, body: body
    await aio.unpack(reference, out, include=[name], home=home, network=PLAIN)
    assert found(out) == wanted(folder, f"w/{name}")


@pytest.mark.parametrize("name", ["../.bin", ".kitfast"])
async def test_a_hostile_list_is_not_used(
    tmp_path: Path, folder: Path, relay: Relay, name: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)

    def lie(path: str, body: bytes) -> bytes:
        if body.startswith(b'{"version":1,"kit"'):
            return body.replace(b'"w/a.bin"', f'"{name}-x"'.encode())
        return body

    relay.change = lie
    out = tmp_path / "out"
    done = await aio.unpack(
        reference, out, include=["a.bin"], home=tmp_path / "home", network=PLAIN
    )
    (warning,) = done.warnings
    assert "not used: " in warning or "is fetched whole: " in warning
    assert (done.verified, found(out)) == ("layer", wanted(folder, "w/a.bin"))


async def test_what_a_mirror_damages_comes_from_the_registry_itself(
    tmp_path: Path, folder: Path, relay: Relay, plain_registry: Running
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    own = reference.replace(relay.host, plain_registry.host)
    relay.change = lambda path, body: body if body[:1] == b"{" else bytes(len(body))
    mirrored = Network(plain_http=True, mirror=(f"http://{relay.host}",))
    out, names = tmp_path / "out", ["w/a.bin", "w/config.json"]
    done = await aio.unpack(own, out, include=names, home=tmp_path / "home", network=mirrored)
    assert (done.verified, found(out)) == ("file", wanted(folder, *names))
    assert len(done.warnings) >= 1
    assert all("was damaged; fetched again" in warning for warning in done.warnings)
    assert relay.sent > 0


async def test_a_registry_without_ranges_sends_the_layer(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    relay.ranges = False
    # An empty file needs no range, and must not be what the others are refused for.
    for names in (["w/b.bin"], ["w/config.json"], ["w/c/empty", "w/b.bin"], EMPTY_AND_SMALL):
        out = tmp_path / names[-1].replace("/", "-") / str(len(names))
        done = await aio.unpack(
            reference, out, include=names, home=tmp_path / "home", network=PLAIN
        )
        assert (done.verified, found(out)) == ("layer", wanted(folder, *names))
        assert not list(out.glob(".kitfast-*"))
        (warning,) = done.warnings
        assert "does not serve parts of blobs" in warning


@pytest.mark.parametrize("name", ["b.bin", "config.json"])
@pytest.mark.parametrize("ranges", [False, True])
async def test_folders_that_the_list_alone_names_do_not_outlast_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    folder: Path,
    relay: Relay,
    name: str,
    ranges: bool,
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    read = choose.find

    async def lie(*args: Any) -> tuple[dict[str, ListedLayer], list[str]]:
        lists, warnings = await read(*args)
        more = (ListedFolder("w/x", 0o700),)
        return {key: replace(one, folders=more) for key, one in lists.items()}, warnings

    monkeypatch.setattr(choose, "find", lie)
    relay.ranges = ranges
    out, home = tmp_path / "out", tmp_path / "home"
    done = await aio.unpack(reference, out, include=[name, "x"], home=home, network=PLAIN)
    assert done.verified == ("file" if ranges else "layer")
    assert found(out) == wanted(folder, f"w/{name}")
    assert sorted(path.name for path in (out / "w").iterdir()) == sorted([name, *["x"] * ranges])


@pytest.mark.parametrize("name", ["w/z.json", "w/c/empty"])
async def test_a_small_file_of_another_size_is_told_before_anything_is_fetched(
    tmp_path: Path, folder: Path, relay: Relay, name: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(b"mine")
    names = [name, "w/config.json"]
    with pytest.raises(errors.AlreadyExists):
        await aio.unpack(reference, out, include=names, home=tmp_path / "home", network=PLAIN)
    assert relay.sent < CHANGE
    assert found(out) == {name: b"mine"}


async def test_a_folder_that_cannot_be_made_is_told_before_anything_is_fetched(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out = tmp_path / "out"
    (out / "w").mkdir(parents=True)
    (out / "w/c").write_bytes(b"mine")
    with pytest.raises(errors.AlreadyExists):
        await aio.unpack(reference, out, include=["c"], home=tmp_path / "home", network=PLAIN)
    assert relay.sent < CHANGE
    assert found(out) == {"w/c": b"mine"}


@pytest.mark.parametrize("name", [".kitfast-x", "x" * 256])
@pytest.mark.parametrize("is_folder", [False, True])
async def test_a_layer_whose_list_names_what_no_folder_takes_comes_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_folder: bool
) -> None:
    names, folders = (["file"], [name]) if is_folder else ([f"{name}/file"], [])
    chosen, warnings = await chosen_of(monkeypatch, names, folders, _core.Target(tmp_path))
    assert chosen is None
    (warning,) = warnings
    assert "is fetched whole: " in warning


class Folding:
    """A target on a file system that does not tell `A` from `a`."""

    def wants(self, name: str, below: bool = False) -> bool:
        return name != "d/unwanted"

    def check_names(self, files: list[str], folders: list[str]) -> None:
        # The core's own check there is tested with it; no such disk can be had everywhere.
        _core.Patterns.check_names([one.lower() for one in files], [one.lower() for one in folders])


@pytest.mark.parametrize(
    ("names", "folders", "is_whole"),
    [
        (["d/Config.json", "d/config.json"], ["d"], True),
        (["D/a", "d"], [], True),
        (["a", "b/c"], ["A"], True),
        (["D/a", "d/b"], ["D", "d"], False),
        (["d/Unwanted", "d/unwanted"], ["d"], False),
    ],
)
async def test_a_layer_whose_files_would_be_one_there_comes_whole(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    names: list[str],
    folders: list[str],
    is_whole: bool,
) -> None:
    chosen, warnings = await chosen_of(monkeypatch, names, folders, Folding())
    assert (chosen is None, len(warnings)) == (is_whole, int(is_whole))
    # Where the names are told apart, nothing is wrong with them.
    chosen, warnings = await chosen_of(monkeypatch, names, folders, _core.Target(tmp_path))
    assert chosen is not None
    assert (len(chosen.files), warnings) == (2, [])


async def chosen_of(
    monkeypatch: pytest.MonkeyPatch, names: list[str], folders: list[str], chooser: Chooser
) -> tuple[parts.Part | None, list[str]]:
    """What is chosen of a layer whose list names these files and folders, and the warnings."""
    digest, layer = "sha256:" + "ab" * 32, Descriptor("x", "sha256:" + "ab" * 32, 10 << 20)
    files = tuple(
        ListedFile(name, 512 + at * 1024, 5, 0o644, "blake3:" + "cd" * 32)
        for at, name in enumerate(names)
    )
    known = ListedLayer(
        digest, layer.size, files, tuple(ListedFolder(name, 0o755) for name in folders)
    )

    async def find(*_: object) -> tuple[dict[str, ListedLayer], list[str]]:
        return {digest: known}, []

    monkeypatch.setattr(choose, "find", find)
    arrivals = Arrivals()
    source = SimpleNamespace(registry=None, repository="r", arrivals=arrivals)
    item = SimpleNamespace(core_shape="tar", descriptor=layer)
    kit = SimpleNamespace(digest=digest, manifest=SimpleNamespace(layers=(layer,)))
    wanted: list[Any] = [(item, chooser)]
    (chosen,) = await choose.choose(
        cast("Any", source), cast("Any", kit), wanted, file_digests=True, unverified=False
    )
    return chosen, arrivals.warnings


@pytest.mark.parametrize("existing", ["keep", "refuse"])
async def test_what_a_killed_try_left_is_its_own_again(
    tmp_path: Path, folder: Path, relay: Relay, existing: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, marker = tmp_path / "out", tmp_path / "marker"
    names = ["w/a.bin", "w/config.json"]
    (out / "w").mkdir(parents=True)
    (out / "w/config.json").write_bytes((folder / "w/config.json").read_bytes())
    done = await aio.unpack(
        reference,
        out,
        include=names,
        ignore_existing=existing == "keep",
        marker=marker,
        home=tmp_path / "home",
        network=PLAIN,
    )
    assert (done.files, done.kept, done.verified) == (2, 0, "file")
    assert marker.exists() and found(out) == wanted(folder, *names)
    (out / "w/config.json").write_bytes(b"mine")
    with pytest.raises(errors.AlreadyExists):
        await aio.unpack(
            reference,
            out,
            include=["config.json"],
            ignore_existing=existing == "keep",
            marker=marker,
            home=tmp_path / "home",
            network=PLAIN,
        )
    assert not marker.exists() and (out / "w/config.json").read_bytes() == b"mine"


def test_a_part_needs_room_for_what_is_not_there(tmp_path: Path) -> None:
    target = _core.Target(tmp_path)
    large = ListedFile("large", 512, 4 << 20, 0o644, "blake3:" + "cd" * 32)
    small = ListedFile("small", 5 << 20, 700, 0o644, "blake3:" + "ef" * 32)
    layer = Descriptor("application/x", "sha256:" + "ab" * 32, 10 << 20)
    part = parts.Part(layer, (large, small), (), True)
    staging = tmp_path / STAGING

    def needed() -> int:
        return parts.room_for_part(part, target, staging).needed

    assert needed() == (4 << 20) + 700
    target.put("small", b"1" * 700)
    assert needed() == 4 << 20
    landing = _core.Landing.into_target(target, large.digest, large.size, "whole", "large")
    landing.write(0, b"1" * (1 << 20))
    landing.keep()
    assert needed() <= 3 << 20


@pytest.mark.parametrize("came", ["w/config.json", "w/a.bin"])
async def test_files_that_came_by_ranges_are_not_taken_for_verified_by_the_layer(
    tmp_path: Path, folder: Path, relay: Relay, came: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, marker = tmp_path / "out", tmp_path / "marker"
    lacking, sent = SIZES[came], (folder / came).read_bytes()

    def lose_ranges(_: str, body: bytes) -> bytes:
        nonlocal lacking
        lacking -= len(body) if body in sent else 0
        relay.ranges = lacking > 0
        return body

    relay.change = lose_ranges
    with pytest.raises(errors.ProtocolError, match="came as parts before") as told:
        await aio.unpack(
            reference,
            out,
            include=[came, "d.bin"],
            home=tmp_path / "home",
            network=Network(plain_http=True, concurrency=1),
            marker=marker,
        )
    assert "--no-file-digests" in (told.value.hint or "")
    named = {name: data for name, data in found(out).items() if not name.startswith(".kitfast-")}
    assert named == wanted(folder, came)
    assert not marker.exists()
