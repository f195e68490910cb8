"""Layers of one file: unwanted ones are not fetched, the others come whole."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import Kitfast
from tests.support.parts import CHANGE, PLAIN, found, pushed, relay, wanted
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay

from kitfast import aio, errors
from kitfast.modelkit import choose
from kitfast.modelkit.filelist import ListedLayer

__all__ = ["plain_registry", "relay"]

SIZES = {"one.bin": 3_000_000, "w/two.bin": 4_000_000, "config.json": 700, "README.md": 20}
WEIGHTS = SIZES["one.bin"] + SIZES["w/two.bin"]
REST = ["Kitfile", "config.json", "README.md"]
KITFILE = """manifestVersion: 1.0.0
model: {path: one.bin, parts: [{path: w}]}
code: [{path: config.json}]
docs: [{path: README.md}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lone")
    (folder / "w").mkdir(mode=0o750)
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "Kitfile").write_text(KITFILE)
    return folder


@pytest.mark.parametrize(
    ("patterns", "names", "most", "verified"),
    [
        ({"include": ["*.json"]}, ["config.json"], 0, "file"),
        ({"include": ["*.json", "one.*"]}, ["config.json", "one.bin"], SIZES["one.bin"], "file"),
        ({"include": ["*.bin"]}, ["one.bin", "w/two.bin"], WEIGHTS, "layer"),
        ({"include": ["w"], "exclude": ["*.bin"]}, [], 0, "file"),
        ({"exclude": ["two*"]}, [*REST, "one.bin"], SIZES["one.bin"], "file"),
        ({"include": ["one.bin"], "exclude": ["w"]}, ["one.bin"], SIZES["one.bin"], "layer"),
    ],
)
async def test_only_layers_with_wanted_files_cross(
    tmp_path: Path,
    folder: Path,
    relay: Relay,
    patterns: dict[str, list[str]],
    names: list[str],
    most: int,
    verified: str,
) -> None:
    reference = await pushed(folder, tmp_path, relay, "lone", True)
    out, home = tmp_path / "out", tmp_path / "home"
    planned = await aio.preview(reference, unpack=True, home=home, network=PLAIN, **patterns)
    assert relay.sent < CHANGE
    relay.sent = 0
    done = await aio.unpack(reference, out, home=home, network=PLAIN, **patterns)
    assert relay.sent < most + 2 * CHANGE
    assert planned.fetch == done.fetched < most + 10_000
    assert done.verified == verified
    whole = await aio.unpack(
        reference, tmp_path / "whole", file_digests=False, home=home, network=PLAIN, **patterns
    )
    assert whole.verified == "layer"
    assert everything(out) == everything(tmp_path / "whole")
    assert set(found(out)) == set(names)
    assert done.files == whole.files


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is in a folder, folders too, with their modes."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


async def test_a_wanted_one_is_held_to_the_digest_of_its_layer(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "lone", True)

    def flip(_: str, body: bytes) -> bytes:
        return body if len(body) < 100_000 else body[:600] + bytes([body[600] ^ 1]) + body[601:]

    relay.change = flip
    with pytest.raises(errors.DigestMismatch, match="sha256:"):
        await aio.unpack(
            reference,
            tmp_path / "out",
            include=["one.bin"],
            home=tmp_path / "home",
            network=PLAIN,
        )
    assert not (tmp_path / "out/one.bin").exists()


async def test_without_a_list_the_headers_tell_if_nothing_need_be_verified(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "unlisted-lone", False)
    for unverified, verified in ((False, "layer"), (True, "none")):
        relay.sent, out = 0, tmp_path / verified
        done = await aio.unpack(
            reference,
            out,
            include=["*.json"],
            unverified=unverified,
            home=tmp_path / "home",
            network=PLAIN,
        )
        assert (done.verified, found(out)) == (verified, wanted(folder, "config.json"))
        assert (relay.sent < 200_000) == unverified


async def test_a_reference_by_digest_takes_nobodys_word_for_it(
    tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "lone", True)
    packed = await aio.locate(reference, network=PLAIN, home=tmp_path / "home")
    pinned = f"{reference.rpartition(':')[0]}@{packed.digest}"
    for use, verified in ((None, "layer"), (True, "file")):
        relay.sent = 0
        done = await aio.unpack(
            pinned,
            tmp_path / verified,
            include=["*.json"],
            file_digests=use,
            home=tmp_path / "home",
            network=PLAIN,
        )
        assert (done.verified, relay.sent > WEIGHTS) == (verified, verified == "layer")


async def test_a_name_that_the_list_alone_knows_is_not_made_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, relay: Relay
) -> None:
    reference = await pushed(folder, tmp_path, relay, "lone", True)
    read = choose.find

    async def lie(*args: Any) -> tuple[dict[str, ListedLayer], list[str]]:
        lists, warnings = await read(*args)
        named = {
            key: ListedLayer(one.digest, one.size, (), (), ("evil.json",))
            for key, one in lists.items()
        }
        return named, warnings

    monkeypatch.setattr(choose, "find", lie)
    out, home = tmp_path / "out", tmp_path / "home"
    done = await aio.unpack(reference, out, include=["*.json"], home=home, network=PLAIN)
    assert (done.verified, found(out)) == ("layer", wanted(folder, "config.json"))


async def test_a_folder_that_is_pushed_again_is_not_read_for_its_names(
    tmp_path: Path, folder: Path, plain_registry: Running
) -> None:
    home = tmp_path / "home"
    # Younger files are not remembered: a change to them might not show.
    await asyncio.sleep(2.1)
    for number in (1, 2):
        reference = f"{plain_registry.host}/lone/again:v{number}"
        before = bytes_read()
        done = await aio.push(folder, reference, home=home, network=PLAIN)
        assert done.warnings == ()
    assert bytes_read() - before < WEIGHTS / 4
    out = tmp_path / "out"
    told = await aio.unpack(reference, out, include=["*.json"], home=home, network=PLAIN)
    assert (told.fetched < 10_000, told.verified) == (True, "file")


def bytes_read() -> int:
    """Bytes that this process has asked the kernel for since it began."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


async def test_the_command_line_tells_what_crossed(
    tmp_path: Path, folder: Path, plain_registry: Running
) -> None:
    kitfast = Kitfast(tmp_path / "cli")
    reference = f"{plain_registry.host}/lone/cli:v1"
    kitfast.run("push", folder, reference, "--plain-http")
    told = kitfast.run(
        *("unpack", reference, "--remote", "--plain-http", "--include", "*.json"),
        *("--dir", str(tmp_path / "out"), "--format", "json"),
    )
    said = json.loads(told.stdout)
    assert (said["verified"], said["fetched"] < 10_000) == ("file", True)
    assert found(tmp_path / "out") == wanted(folder, "config.json")
