"""Single files out of a layer: few bytes cross, and each file is verified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.parts import CHANGE, PLAIN, SIZES, folder, found, pushed, relay, wanted
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay

from kitfast import aio, errors
from kitfast.modelkit.filelist import ListedFile
from kitfast.modelkit.parts import GAP, PLACED, RUN, runs

__all__ = ["folder", "plain_registry", "relay"]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ({"include": ["a.bin"]}, ["w/a.bin"]),
        ({"include": ["*.json", "empty"]}, ["w/config.json", "w/z.json", "w/c/empty"]),
        ({"exclude": ["b.bin"]}, [name for name in SIZES if name != "w/b.bin"]),
        ({"include": ["w/c"]}, ["w/c/d.bin", "w/c/empty"]),
        ({"include": ["w/nothing"]}, []),
    ],
)
async def test_only_the_bytes_of_the_files_cross(
    tmp_path: Path, folder: Path, relay: Relay, patterns: dict[str, list[str]], names: list[str]
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, home = tmp_path / "out", tmp_path / "home"
    planned = await aio.preview(reference, unpack=True, home=home, network=PLAIN, **patterns)
    assert relay.sent < CHANGE
    assert planned.fetch == sum(SIZES[name] for name in names)
    relay.sent = 0
    done = await aio.unpack(reference, out, home=home, network=PLAIN, **patterns)
    assert (out / "Kitfile").exists() == ("exclude" in patterns)
    got = found(out)
    got.pop("Kitfile", None)
    assert got == wanted(folder, *names)
    size = sum(SIZES[name] for name in names)
    assert size <= relay.sent <= size + CHANGE
    assert done.fetched <= size + 10 * 512
    # That the layer holds no such file is the list's word, too.
    assert done.verified == "file"
    assert len(done.warnings) == (not names)  # only of a pattern that fits nothing
    if "w/config.json" in names:
        assert (out / "w/config.json").stat().st_mode & 0o777 == 0o600


async def test_most_of_a_layer_comes_whole(tmp_path: Path, folder: Path, relay: Relay) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, home = tmp_path / "out", tmp_path / "home"
    planned = await aio.preview(
        reference, unpack=True, exclude=["z.json"], home=home, network=PLAIN
    )
    done = await aio.unpack(reference, out, exclude=["z.json"], home=home, network=PLAIN)
    assert planned.fetch == done.fetched
    assert (done.verified, len(found(out))) == ("layer", len(SIZES))
    assert done.fetched > sum(SIZES.values())


@pytest.mark.parametrize("how", ["no list", "not used"])
async def test_without_digests_the_whole_layer_is_verified(
    tmp_path: Path, folder: Path, relay: Relay, how: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, f"un{how.split()[0]}", how != "no list")
    out = tmp_path / "out"
    use = None if how == "no list" else False
    done = await aio.unpack(
        reference,
        out,
        include=["a.bin"],
        file_digests=use,
        home=tmp_path / "home",
        network=PLAIN,
    )
    assert (done.verified, found(out)) == ("layer", wanted(folder, "w/a.bin"))
    assert relay.sent > sum(SIZES.values())


async def test_a_reference_by_digest_means_the_bytes_of_that_digest(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    packed = await aio.locate(reference, network=PLAIN, home=tmp_path / "home")
    pinned = f"{reference.rpartition(':')[0]}@{packed.digest}"
    for use, verified in ((None, "layer"), (True, "file")):
        done = await aio.unpack(
            pinned,
            tmp_path / verified,
            include=["a.bin"],
            file_digests=use,
            home=tmp_path / "home",
            network=PLAIN,
        )
        assert (done.verified, done.files) == (verified, 1)


async def test_unverified_says_so(tmp_path: Path, folder: Path, relay: Relay) -> None:
    reference = await pushed(folder, tmp_path, relay, "unlisted", False)
    out = tmp_path / "out"
    done = await aio.unpack(
        reference,
        out,
        include=["a.bin", "config.json"],
        unverified=True,
        home=tmp_path / "home",
        network=PLAIN,
    )
    assert (done.verified, found(out)) == ("none", wanted(folder, "w/a.bin", "w/config.json"))
    assert relay.sent < SIZES["w/a.bin"] + 10 * (64 << 10)
    (warning,) = done.warnings
    assert warning.startswith("2 files of sha256:")
    assert warning.endswith("NOT verified, as no digest of them is published")
    # Where there are digests, they are used.
    listed = await pushed(folder, tmp_path, relay, "listed", True)
    done = await aio.unpack(
        listed,
        tmp_path / "more",
        include=["a.bin"],
        unverified=True,
        home=tmp_path / "home",
        network=PLAIN,
    )
    assert (done.verified, done.warnings) == ("file", ())
    # Where nobody looks for them, nothing is said of their being published.
    done = await aio.unpack(
        listed,
        tmp_path / "unlooked",
        include=["a.bin"],
        unverified=True,
        file_digests=False,
        home=tmp_path / "home",
        network=PLAIN,
    )
    assert done.verified == "none" and done.warnings[0].endswith("are not used here")


async def test_files_in_the_way_are_seen_before_anything_is_fetched(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, home = tmp_path / "out", tmp_path / "home"
    (out / "w").mkdir(parents=True)
    (out / "w/b.bin").write_bytes(b"mine")
    names = ["b.bin", "config.json"]
    with pytest.raises(errors.AlreadyExists):
        await aio.unpack(reference, out, include=names, home=home, network=PLAIN)
    assert (found(out), relay.sent < CHANGE) == ({"w/b.bin": b"mine"}, True)
    done = await aio.unpack(
        reference, out, include=names, ignore_existing=True, home=home, network=PLAIN
    )
    assert (done.files, done.kept) == (1, 1)
    assert (out / "w/b.bin").read_bytes() == b"mine"
    done = await aio.unpack(reference, out, include=names, overwrite=True, home=home, network=PLAIN)
    assert found(out) == wanted(folder, "w/b.bin", "w/config.json")
    assert not list(out.glob(".kitfast-*"))


async def test_a_small_file_that_is_there_already_is_fine(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    out, home = tmp_path / "out", tmp_path / "home"
    for _ in range(2):
        done = await aio.unpack(reference, out, include=["*.json"], home=home, network=PLAIN)
        assert done.files == 2
    (out / "w/z.json").write_bytes(b"x" * SIZES["w/z.json"])
    (out / "w/config.json").unlink()
    with pytest.raises(errors.AlreadyExists):
        await aio.unpack(reference, out, include=["*.json"], home=home, network=PLAIN)
    assert sorted(found(out)) == ["w/z.json"]


async def test_the_list_of_a_kit_is_not_read_for_whole_layers(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    relay.refuse = lambda path: 500 if "/referrers/" in path else 0
    done = await aio.unpack(
        reference, tmp_path / "out", filters=["model"], home=tmp_path / "home", network=PLAIN
    )
    assert (done.verified, done.warnings) == ("layer", ())


@pytest.mark.parametrize("name", ["w/a.bin", "w/config.json", "w/c/empty"])
async def test_a_file_is_opened_without_its_layer(
    tmp_path: Path, folder: Path, relay: Relay, name: str
) -> None:
    reference = await pushed(folder, tmp_path, relay, "listed", True)
    home = tmp_path / "home"
    for most in (SIZES[name] + CHANGE, CHANGE):
        relay.sent = 0
        with await aio.open(reference, name, home=home, network=PLAIN) as file:
            assert (file.size, file.verified) == (SIZES[name], True)
            assert file.read() == (folder / name).read_bytes()
        # The second time it is in the store.
        assert relay.sent <= most
    await aio.cache_prune(home=home)
    relay.change = lambda path, body: body if body[:1] == b"{" else bytes(len(body))
    if SIZES[name]:
        with pytest.raises(errors.DigestMismatch, match=name):
            await aio.open(reference, name, home=home, network=PLAIN)


@pytest.mark.parametrize("how", ["not used", "no ranges", "pinned", "not in the list"])
async def test_a_file_is_opened_with_its_layer_where_it_must_be(
    tmp_path: Path, folder: Path, relay: Relay, how: str
) -> None:
    listed = how != "not in the list"
    reference = await pushed(folder, tmp_path, relay, "listed" if listed else "unopened", listed)
    use, home = (False if how == "not used" else None), tmp_path / "home"
    if how == "pinned":
        packed = await aio.locate(reference, network=PLAIN, home=home)
        reference = f"{reference.rpartition(':')[0]}@{packed.digest}"
    relay.ranges = how != "no ranges"
    opened = await aio.open(reference, "w/a.bin", file_digests=use, home=home, network=PLAIN)
    with opened as file:
        assert file.verified
        assert file.read() == (folder / "w/a.bin").read_bytes()
    assert relay.sent > sum(SIZES.values())
    # Nothing of a try with the file alone is left to take up room.
    assert [path for path in (home / "landing").rglob("*") if path.is_file()] == []


def test_small_files_come_in_runs() -> None:
    def file(offset: int, size: int) -> ListedFile:
        return ListedFile(str(offset), offset, size, 0o644, "blake3:")

    assert runs([]) == []
    near = [file(512, 100), file(1536, 0), file(1536 + GAP, 5)]
    far = [file(1542 + 2 * GAP, 5)]
    (one, two) = runs(near + far)
    assert (one.files, one.start, one.length) == (tuple(near), 512, GAP + 1029)
    assert two.files == tuple(far)
    many = [file(at * (PLACED + 512), PLACED - 1) for at in range(32)]
    assert all(run.length <= RUN for run in runs(many))
    assert sum((run.files for run in runs(many)), ()) == tuple(many)


async def test_the_command_line_tells_which_way_was_taken(
    tmp_path: Path, folder: Path, plain_registry: Running
) -> None:
    kitfast = Kitfast(tmp_path / "cli")
    reference = f"{plain_registry.host}/parts/cli:v1"
    kitfast.run("pack", folder, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    told = kitfast.run(
        *("unpack", reference, "--remote", "--plain-http", "--include", "a.bin"),
        *("--dir", str(tmp_path / "out"), "--format", "json"),
    )
    said = json.loads(told.stdout)
    assert said["verified"] == "file"
    assert said["fetched"] == SIZES["w/a.bin"]
