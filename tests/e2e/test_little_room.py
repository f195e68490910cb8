"""A volume hardly larger than the kit: told at once, or enough to go on."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused, wait
from tests.support.disks import small_disk
from tests.support.faults import FaultyRegistry
from tests.support.killing import wait_for_journals
from tests.support.slow import slowed

MIB = 1 << 20
SHARD = 12 * MIB


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB."""
    with small_disk(tmp_path / "volume", 32) as mounted:
        if not mounted:
            pytest.skip("only the superuser can mount a small disk")
        yield tmp_path / "volume"


def push(kitfast: Kitfast, registry: FaultyRegistry, source: Path, *flags: str) -> str:
    """Packs and pushes a folder; returns the reference."""
    reference = f"{registry.host}/some/kit:v1"
    kitfast.run("pack", source, "--tag", reference, *flags)
    kitfast.run("push", reference, "--plain-http")
    registry.sent.clear()
    return reference


def test_compressed_layers_need_room_twice(
    kitfast: Kitfast, other: Kitfast, registry: FaultyRegistry, volume: Path, tmp_path: Path
) -> None:
    source = folders.shards(tmp_path / "source", 2, SHARD)
    reference = push(kitfast, registry, source, "--compression", "gzip")
    words = ("unpack", reference, "--plain-http", "--dir", volume / "model")
    failed = other.run(*words, status=None)
    refused(failed, "are needed", "to decode compressed layers", "are free")
    needed, decoding, free = (
        int(number.replace(",", ""))
        for number in re.findall(r"([\d,]{6,}) ", failed.stderr.partition("volume")[2])
    )
    assert 4 * SHARD < needed <= 4 * SHARD + MIB
    assert 2 * SHARD < decoding < needed and 30 * MIB < free <= 32 * MIB
    assert sum(registry.sent.values()) < 10_000, "a layer was fetched"
    assert not [path for path in volume.rglob("*") if path.is_file()]


def test_a_plain_kit_of_that_size_fits(
    kitfast: Kitfast, other: Kitfast, registry: FaultyRegistry, volume: Path, tmp_path: Path
) -> None:
    source = folders.shards(tmp_path / "source", 2, SHARD)
    reference = push(kitfast, registry, source)
    other.run("unpack", reference, "--plain-http", "--dir", volume / "model")
    assert folders.tree(volume / "model") == folders.tree(source)


@pytest.mark.parametrize("verb", ["unpack", "pull"])
def test_what_an_earlier_try_took_is_not_asked_for_again(
    kitfast: Kitfast,
    registry: FaultyRegistry,
    volume: Path,
    tmp_path: Path,
    verb: str,
) -> None:
    source = folders.shards(tmp_path / "source", 2, SHARD)
    push(kitfast, registry, source)
    other = Kitfast(volume if verb == "pull" else tmp_path / "theirs")
    with slowed(registry.host, 8 * MIB) as host:
        into = ("--dir", volume / "model") if verb == "unpack" else ()
        words = (verb, f"{host}/some/kit:v1", "--plain-http", *into)
        child = other.start(*words)
        # By then more is taken than what is left of the disk would hold.
        wait_for_journals(volume, 2)
        os.kill(child.pid, signal.SIGKILL)
        wait(child)
        assert child.returncode == -signal.SIGKILL
        other.run(*words)
    if verb == "unpack":
        assert folders.tree(volume / "model") == folders.tree(source)


def test_what_an_earlier_try_finished_is_not_asked_for_again(
    kitfast: Kitfast, other: Kitfast, registry: FaultyRegistry, volume: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    entries = "model: {path: a}\ndatasets: [{name: b, path: b}]\n"
    folders.write(source / "Kitfile", f"manifestVersion: '1.0'\n{entries}".encode())
    folders.write(source / "a", folders.noise(20 * MIB, 1))
    folders.write(source / "b", folders.noise(4 * MIB, 2))
    push(kitfast, registry, source)
    with slowed(registry.host, 8 * MIB) as host:
        words = ("unpack", f"{host}/some/kit:v1", "--plain-http", "--dir", volume / "model")
        # One layer after the other.
        child = other.start(*words, "--concurrency", "1")
        while not (volume / "model" / "a").exists():
            assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)
        wait(child)
        other.run(*words)
    assert folders.tree(volume / "model") == folders.tree(source)
