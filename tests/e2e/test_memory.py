"""Every verb moves 4 GiB in less than 200 MiB of memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, wait, wait_for_port
from tests.support.registries import Running, free_port

pytestmark = pytest.mark.slow

MOST = 200 << 20


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model of one shard of 2 GiB and four of 512 MiB."""
    folder = tmp_path_factory.mktemp("huge") / "source"
    folders.shards(folder, 4, 512 << 20)
    folders.shards(folder / "shards" / "big", 1, 2 << 30)
    (folder / "shards" / "big" / "Kitfile").unlink()
    yield folder
    shutil.rmtree(folder)


def test_registry_verbs(
    kitfast: Kitfast, other: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/memory/model:v1"
    target, direct = tmp_path / "target", tmp_path / "direct"
    peaks = {
        "pack": kitfast.run("pack", source, "--tag", reference).peak,
        "push": kitfast.run("push", reference, "--plain-http").peak,
        "pull": other.run("pull", reference, "--plain-http").peak,
        "unpack": other.run("unpack", reference, "--dir", target).peak,
        "list": other.run("list").peak,
        "inspect": other.run("inspect", reference).peak,
        "remove": other.run("remove", reference).peak,
    }
    assert folders.tree(target) == folders.tree(source)
    shutil.rmtree(target)
    remote = ("unpack", reference, "--plain-http", "--dir", direct)
    peaks["unpack REMOTE"] = other.run(*remote).peak
    assert folders.tree(direct) == folders.tree(source)
    print({verb: f"{peak >> 20} MiB" for verb, peak in peaks.items()})
    assert not {verb: peak >> 20 for verb, peak in peaks.items() if not 0 < peak < MOST}


def test_serve(kitfast: Kitfast, other: Kitfast, source: Path, tmp_path: Path) -> None:
    server = Kitfast(tmp_path / "server")
    port = free_port()
    reference = f"127.0.0.1:{port}/memory/model:v1"
    kitfast.run("pack", source, "--tag", reference)
    child = server.start("serve", "--port", str(port))
    try:
        wait_for_port(port, child)
        kitfast.run("push", reference, "--plain-http")
        other.run("pull", reference, "--plain-http")
    finally:
        child.terminate()
        peak = wait(child)
    print(f"serve: {peak >> 20} MiB")
    assert 0 < peak < MOST


def test_gzip(kitfast: Kitfast, source: Path, tmp_path: Path) -> None:
    reference = "memory:gzip"
    peaks = {
        "pack": kitfast.run(
            "pack", source, "--tag", reference, "--compression", "gzip-fastest"
        ).peak,
        "unpack": kitfast.run("unpack", reference, "--dir", tmp_path / "target").peak,
    }
    assert folders.tree(tmp_path / "target") == folders.tree(source)
    assert not {verb: peak >> 20 for verb, peak in peaks.items() if not 0 < peak < MOST}


def test_push_of_a_folder_compressed(
    kitfast: Kitfast, source: Path, plain_registry: Running
) -> None:
    command = ("push", source, f"{plain_registry.host}/memory/folder:v1", "--plain-http")
    peaks = {
        word: kitfast.run(*command, "--compression", word, "--no-cache").peak
        for word in ("gzip-fastest", "zstd")
    }
    print({word: f"{peak >> 20} MiB" for word, peak in peaks.items()})
    assert not {word: peak >> 20 for word, peak in peaks.items() if not 0 < peak < MOST}
