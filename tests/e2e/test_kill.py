"""Kill -9 at random points; run again; the bytes are right and the rest is reused."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, wait
from tests.support.killing import kill_often, wait_for_journals
from tests.support.registries import Running
from tests.support.slow import slowed

TIMES = 6
SHARDS = 4
SHARD_SIZE = 48 << 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model big enough that a kill finds the command at work."""
    return folders.shards(tmp_path_factory.mktemp("model") / "source", SHARDS, SHARD_SIZE)


@pytest.fixture
def pushed(kitfast: Kitfast, source: Path, plain_registry: Running) -> str:
    """The reference of the model in a registry."""
    reference = f"{plain_registry.host}/kill/model:v1"
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    return reference


def check_final_names(source: Path, target: Path) -> None:
    """Whatever stands under a final name has exactly the packed bytes."""
    for path in source.rglob("*"):
        unpacked = target / path.relative_to(source)
        if path.is_file() and path.name != "Kitfile" and unpacked.exists():
            assert folders.sha256(unpacked) == folders.sha256(path), f"{unpacked} is wrong"


def test_pack(kitfast: Kitfast, other: Kitfast, source: Path, tmp_path: Path) -> None:
    words = ("pack", source, "--tag", "kit:v1")
    whole = other.run(*words).seconds

    def check() -> None:
        # Either there is no kit yet, or there is a whole one.
        if len(kitfast.run("list").stdout.splitlines()) > 1:
            kitfast.run("unpack", "kit:v1", "--dir", tmp_path / "early", "--overwrite")

    assert kill_often(kitfast, words, times=TIMES, longest_seconds=whole, check=check)
    kitfast.run(*words)
    kitfast.run("unpack", "kit:v1", "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)


def test_unpack(kitfast: Kitfast, source: Path, tmp_path: Path) -> None:
    kitfast.run("pack", source, "--tag", "kit:v1")
    whole = kitfast.run("unpack", "kit:v1", "--dir", tmp_path / "measured").seconds
    target = tmp_path / "target"
    words = ("unpack", "kit:v1", "--dir", target, "--overwrite")
    assert kill_often(
        kitfast,
        words,
        times=TIMES,
        longest_seconds=whole,
        check=lambda: check_final_names(source, target),
    )
    kitfast.run(*words)
    assert folders.tree(target) == folders.tree(source)


def test_pull(other: Kitfast, pushed: str, source: Path, tmp_path: Path) -> None:
    measured = Kitfast(tmp_path / "measured")
    words = ("pull", pushed, "--plain-http")
    whole = measured.run(*words).seconds

    def check() -> None:
        # A kit is listed only when all of it is there.
        if len(other.run("list").stdout.splitlines()) > 1:
            other.run("unpack", pushed, "--dir", tmp_path / "early", "--overwrite")

    assert kill_often(other, words, times=TIMES, longest_seconds=whole, check=check)
    other.run(*words)
    other.run("unpack", pushed, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)


def test_push_of_a_folder(
    kitfast: Kitfast, other: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/kill/folder:v1"
    words = ("push", f"{source}/", reference, "--plain-http", "--no-cache")
    whole = kitfast.run(*words[:2], f"{plain_registry.host}/kill/measured:v1", *words[3:]).seconds

    def check() -> None:
        told = kitfast.run("inspect", reference, "--remote", "--plain-http", status=None)
        # A kit has a name only when all of it is there.
        if told.status == 0:
            into = tmp_path / "early"
            other.run("unpack", reference, "--plain-http", "--dir", into, "--overwrite")

    assert kill_often(kitfast, words, times=TIMES, longest_seconds=whole, check=check)
    kitfast.run(*words)
    other.run("unpack", reference, "--plain-http", "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)


def test_unpack_remote(other: Kitfast, pushed: str, source: Path, tmp_path: Path) -> None:
    words = ("unpack", pushed, "--plain-http", "--overwrite", "--dir")
    whole = other.run(*words, tmp_path / "measured").seconds
    target = tmp_path / "target"
    assert kill_often(
        other,
        (*words, target),
        times=TIMES,
        longest_seconds=whole,
        check=lambda: check_final_names(source, target),
    )
    other.run(*words, target)
    assert folders.tree(target) == folders.tree(source)
    assert not list((other.home / "contents").glob("??/*")), "unpack REMOTE fills no store"


RATE = 48 << 20


@pytest.mark.parametrize("verb", ["pull", "unpack"])
def test_goes_on_where_it_was(
    kitfast: Kitfast,
    other: Kitfast,
    source: Path,
    plain_registry: Running,
    tmp_path: Path,
    verb: str,
) -> None:
    with slowed(plain_registry.host, RATE) as host:
        reference = f"{host}/kill/slow:v1"
        kitfast.run("pack", source, "--tag", reference)
        kitfast.run("push", reference, "--plain-http")
        into = ("--dir", tmp_path / "target") if verb == "unpack" else ()
        words = (verb, reference, "--plain-http", *into)
        child = other.start(*words)
        # One is written about every second: the second one knows of a second of bytes.
        wait_for_journals(tmp_path, 2)
        os.kill(child.pid, signal.SIGKILL)
        wait(child)
        assert child.returncode == -signal.SIGKILL
        told = json.loads(other.run(*words, "--format", "json").stdout)
        assert told["reused"] > 16 << 20
        assert told["fetched"] + told["reused"] >= SHARDS * SHARD_SIZE
        assert told["fetched"] <= SHARDS * SHARD_SIZE - (16 << 20)
        if verb == "pull":
            other.run("unpack", reference, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)
