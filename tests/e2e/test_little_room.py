"""A volume hardly larger than the kit: told at once, or enough to go on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
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


def test_what_does_not_fit_at_all_is_told_before_the_first_byte(
    kitfast: Kitfast, other: Kitfast, registry: FaultyRegistry, volume: Path, tmp_path: Path
) -> None:
    source = folders.shards(tmp_path / "source", 3, SHARD)
    reference = push(kitfast, registry, source, "--compression", "gzip")
    words = ("unpack", reference, "--plain-http", "--dir", volume / "model")
    failed = other.run(*words, status=None)
    refused(failed, "are needed (or more: compressed layers unpack to more)", "are free")
    needed, free = (
        int(number.replace(",", ""))
        for number in re.findall(r"([\d,]{6,}) ", failed.stderr.partition("volume")[2])
    )
    assert 3 * SHARD < needed <= 3 * SHARD + MIB
    assert 30 * MIB < free <= 32 * MIB
    assert sum(registry.sent.values()) < 10_000, "a layer was fetched"
    assert not (volume / "model").exists()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_layers_need_room_once(
    kitfast: Kitfast,
    other: Kitfast,
    registry: FaultyRegistry,
    volume: Path,
    tmp_path: Path,
    compression: str,
) -> None:
    source = tmp_path / "source"
    entries = "model: {path: a}\ndatasets: [{name: b, path: b}]\n"
    folders.write(source / "Kitfile", f"manifestVersion: '1.0'\n{entries}".encode())
    for number, name in enumerate("ab"):
        folders.write(source / name, folders.noise(SHARD, number))
    reference = push(kitfast, registry, source, "--compression", compression)
    other.run("unpack", reference, "--plain-http", "--dir", volume / "model")
    assert folders.tree(volume / "model") == folders.tree(source)


def test_a_kill_while_the_spool_shrinks_costs_what_was_given_back(
    kitfast: Kitfast, other: Kitfast, registry: FaultyRegistry, tmp_path: Path
) -> None:
    size = 96 * MIB
    source = folders.shards(tmp_path / "source", 1, size)
    reference = push(kitfast, registry, source, "--compression", "gzip")
    with small_disk(tmp_path / "volume", 104) as mounted:
        if not mounted:
            pytest.skip("only the superuser can mount a small disk")
        model = tmp_path / "volume" / "model"
        words = ("unpack", reference, "--plain-http", "--dir", model)
        # Slower than this test, which has to find it at work.
        child = other.start(*words, before=lambda: os.nice(19))
        is_whole = False
        while child.poll() is None:
            taken = 0
            for spool in model.glob(".kitfast-*/*/spool"):
                with contextlib.suppress(FileNotFoundError):
                    taken = max(taken, spool.stat().st_blocks * 512)
            is_whole = is_whole or taken >= size
            if is_whole and 0 < taken < size - 8 * MIB:
                os.kill(child.pid, signal.SIGKILL)
                break
        wait(child)
        assert child.returncode == -signal.SIGKILL, "it was over before it was looked at"
        assert not (model / "shards").exists()
        once = sum(registry.sent.values())
        other.run(*words)
        again = sum(registry.sent.values()) - once
        assert 4 * MIB < again < size, "what was given back was fetched, or not all of it"
        assert folders.tree(model) == folders.tree(source)


@pytest.mark.parametrize("count", [1, 10])
def test_what_unpacks_to_more_than_the_disk_is_one_clear_error(
    kitfast: Kitfast,
    other: Kitfast,
    registry: FaultyRegistry,
    volume: Path,
    tmp_path: Path,
    count: int,
) -> None:
    source = tmp_path / "source"
    folders.write(source / "Kitfile", b"manifestVersion: '1.0'\nmodel: {path: model}\n")
    for number in range(count):
        folders.sparse(source / "model" / f"{number}", 40 * MIB // count)
    reference = push(kitfast, registry, source, "--compression", "gzip")
    words = ("unpack", reference, "--plain-http", "--dir", volume / "model")
    refused(other.run(*words, status=None), "no space left on the device")
    assert not list(volume.glob("model/model/*"))
    fetched = sum(registry.sent.values())
    subprocess.run(["mount", "-o", "remount,size=64m", str(volume)], check=True)
    other.run(*words)
    assert folders.tree(volume / "model") == folders.tree(source)
    assert sum(registry.sent.values()) - fetched < 10_000, "the layer was fetched again"


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
