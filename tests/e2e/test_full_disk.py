"""A disk that fills up during a pull: told, resumable, nothing half there."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused
from tests.support.disks import small_disk
from tests.support.faults import FaultyRegistry

SIZE = 24 << 20


def no_file_beyond(size: int) -> Callable[[], None]:
    """Makes the kernel refuse to write a file beyond `size`, in the child it is called in."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture
def pushed(kitfast: Kitfast, tmp_path: Path) -> Iterator[str]:
    """The reference of a kit with one big file."""
    source = folders.shards(tmp_path / "source", 1, SIZE)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, reference, "--plain-http")
        yield reference


def test_no_file_may_grow_further(other: Kitfast, pushed: str, tmp_path: Path) -> None:
    words = ("pull", pushed, "--plain-http", "--connections", "2")
    stopped = other.run(*words, status=None, before=no_file_beyond(SIZE // 2))
    refused(stopped)
    assert len(other.run("list").stdout.splitlines()) == 1
    other.run(*words)
    other.run("unpack", pushed, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(tmp_path / "source")


def test_a_disk_that_others_fill_meanwhile(other: Kitfast, pushed: str, tmp_path: Path) -> None:
    with small_disk(other.home) as mounted:
        if not mounted:
            pytest.skip("only the superuser can mount a small disk")
        words = ("pull", pushed, "--plain-http", "--max-rate", "8MiB")
        filler = other.home / "filler"
        child = other.start(*words, stderr=subprocess.PIPE)
        assert child.stderr is not None
        while not list((other.home).glob("landing/*")) and child.poll() is None:
            pass
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        text = child.stderr.read().decode()
        assert child.wait() == 1
        child.stderr.close()
        assert "error: " in text and "Traceback" not in text
        filler.unlink()
        other.run(*words[:-2])
        other.run("unpack", pushed, "--dir", tmp_path / "target")
        assert folders.tree(tmp_path / "target") == folders.tree(tmp_path / "source")
