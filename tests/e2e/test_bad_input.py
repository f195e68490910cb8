"""Bad input ends with one clear error, a hint and status 1, and leaves nothing."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused

HEAD = "manifestVersion: '1.0'\n"
MODEL = HEAD + "model:\n  path: m.bin\n"

# What the Kitfile says → what the error must name.
KITFILES = {
    "broken YAML": ("model: [", ("Kitfile",)),
    "not a mapping": ("- one\n- two\n", ("Kitfile",)),
    "not UTF-8": ("model: \udcff", ("Kitfile",)),
    "unknown field": (MODEL + "  colour: red\n", ("colour", "Kitfile:4")),
    "unknown section": (MODEL + "weights: []\n", ("weights",)),
    "wrong type": (HEAD + "model: 7\n", ("model",)),
    "absolute path": (HEAD + "model:\n  path: /etc/passwd\n", ("/etc/passwd",)),
    "escaping path": (HEAD + "model:\n  path: ../secret\n", ("../secret",)),
    "escaping path inside": (HEAD + "model:\n  path: a/../../secret\n", ("secret",)),
    "missing file": (HEAD + "model:\n  path: nowhere.bin\n", ("nowhere.bin",)),
    "one path twice": (MODEL + "docs:\n  - path: m.bin\n", ("m.bin",)),
    "one path in two spellings": (MODEL + "docs:\n  - path: ./m.bin\n", ("m.bin",)),
    "one path with detours": (MODEL + "docs:\n  - path: d/../m.bin\n", ("m.bin",)),
    "one field twice": (MODEL + "model:\n  path: m.bin\n", ("model",)),
    "alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\n", ("Kitfile",)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one model file and a good Kitfile."""
    folders.write(tmp_path / "source" / "m.bin", b"weights" * 1000)
    folders.write(tmp_path / "source" / "Kitfile", MODEL.encode())
    return tmp_path / "source"


@pytest.mark.parametrize("case", KITFILES)
def test_kitfile(kitfast: Kitfast, folder: Path, case: str) -> None:
    text, words = KITFILES[case]
    (folder / "Kitfile").write_bytes(text.encode(errors="surrogateescape"))
    refused(kitfast.run("pack", folder, "--tag", "kit:v1", status=None), *words)
    assert_no_kits(kitfast)


def test_missing_kitfile(kitfast: Kitfast, folder: Path) -> None:
    (folder / "Kitfile").unlink()
    refused(kitfast.run("pack", folder, status=None), "Kitfile", "kitfast init")
    assert_no_kits(kitfast)


def test_missing_folder(kitfast: Kitfast, tmp_path: Path) -> None:
    refused(kitfast.run("pack", tmp_path / "nowhere", status=None), "nowhere")


def test_unreadable_file(kitfast: Kitfast, folder: Path) -> None:
    (folder / "m.bin").chmod(0)
    outcome = kitfast.run("pack", folder, "--tag", "kit:v1", status=None, before=as_plain_user)
    refused(outcome, "m.bin", "permission denied")
    assert_no_kits(kitfast)


def test_entry_is_a_link(kitfast: Kitfast, folder: Path) -> None:
    (folder / "m.bin").rename(folder / "real.bin")
    (folder / "m.bin").symlink_to("real.bin")
    refused(kitfast.run("pack", folder, "--tag", "kit:v1", status=None), "m.bin", "--follow-links")
    kitfast.run("pack", folder, "--tag", "kit:v1", "--follow-links")


@pytest.mark.parametrize(
    "reference",
    ["UPPER/case:v1", "kit:v1:v2", "kit@sha256:abc", "kit:", "host.example/", "../up:v1", "kit:-x"],
)
@pytest.mark.parametrize("verb", ["pull", "unpack", "info", "inspect", "remove"])
def test_wrong_reference(kitfast: Kitfast, verb: str, reference: str) -> None:
    refused(kitfast.run(verb, reference, status=None))


@pytest.mark.parametrize("verb", ["push", "info", "inspect", "remove"])
def test_unknown_local_kit(kitfast: Kitfast, verb: str) -> None:
    refused(kitfast.run(verb, "host.example/no/kit:v1", status=None), "no/kit:v1")


@pytest.mark.parametrize("verb", ["pull", "unpack", "list"])
def test_unknown_host(kitfast: Kitfast, verb: str) -> None:
    outcome = kitfast.run(verb, "host.invalid/no/kit:v1", status=None)
    refused(outcome, "host.invalid")
    assert outcome.seconds < 60


def test_nobody_listens(kitfast: Kitfast) -> None:
    outcome = kitfast.run("pull", "127.0.0.1:1/no/kit:v1", "--plain-http", status=None)
    refused(outcome, "127.0.0.1:1")


def test_existing_target(kitfast: Kitfast, folder: Path, tmp_path: Path) -> None:
    kitfast.run("pack", folder, "--tag", "kit:v1")
    target = tmp_path / "target"
    folders.write(target / "m.bin", b"mine")
    refused(kitfast.run("unpack", "kit:v1", "--dir", target, status=None), "m.bin", "--overwrite")
    assert (target / "m.bin").read_bytes() == b"mine"
    assert {path.name for path in target.iterdir()} <= {"Kitfile", "m.bin"}
    kitfast.run("unpack", "kit:v1", "--dir", target, "--ignore-existing")
    assert (target / "m.bin").read_bytes() == b"mine"
    kitfast.run("unpack", "kit:v1", "--dir", target, "--overwrite")
    assert (target / "m.bin").read_bytes() == (folder / "m.bin").read_bytes()


def test_marker_where_nothing_can_be_written(
    kitfast: Kitfast, folder: Path, tmp_path: Path
) -> None:
    kitfast.run("pack", folder, "--tag", "kit:v1")
    place, target = tmp_path / "place", tmp_path / "target"
    place.mkdir(mode=0o555)
    words = ("unpack", "kit:v1", "--dir", target, "--marker", place / "marker")
    outcome = kitfast.run(*words, status=None, before=as_plain_user)
    refused(outcome, f"{place}: the marker cannot be written there")
    assert not target.exists()


def test_target_is_a_file(kitfast: Kitfast, folder: Path, tmp_path: Path) -> None:
    kitfast.run("pack", folder, "--tag", "kit:v1")
    folders.write(tmp_path / "target", b"mine")
    refused(kitfast.run("unpack", "kit:v1", "--dir", tmp_path / "target", status=None), "target")
    assert (tmp_path / "target").read_bytes() == b"mine"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def replace(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize("damage", [truncate, replace, Path.unlink])
@pytest.mark.parametrize("part", ["contents", "recipes", "manifests"])
def test_damaged_store(
    kitfast: Kitfast, tmp_path: Path, part: str, damage: Callable[[Path], None]
) -> None:
    source = folders.shards(tmp_path / "source", 1, 3 << 20)
    kitfast.run("pack", source, "--tag", "kit:v1")
    stored = [path for path in (kitfast.home / part).rglob("*") if path.is_file()]
    largest = max(stored, key=lambda path: path.stat().st_size)
    largest.chmod(0o644)
    damage(largest)
    target = tmp_path / "target"
    outcome = kitfast.run("unpack", "kit:v1", "--dir", target, status=None)
    refused(outcome)
    assert not list(target.rglob("*.safetensors"))
    # What is broken can be made good by packing again, or by pulling, as the error says.
    kitfast.run("pack", source, "--tag", "kit:v1")
    kitfast.run("unpack", "kit:v1", "--dir", target, "--overwrite")
    assert folders.tree(target) == folders.tree(source)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = b"size=2m"
    if libc.mount(b"none", os.fsencode(place), b"tmpfs", 0, options) != 0:
        pytest.skip("a small disk can be mounted by root only")
    yield place
    assert libc.umount2(os.fsencode(place), 2) == 0


def test_no_space_to_pack(kitfast: Kitfast, tmp_path: Path, small_disk: Path) -> None:
    source = folders.shards(tmp_path / "source", 1, 3 << 20)
    kitfast.home = small_disk / "home"
    refused(kitfast.run("pack", source, "--tag", "kit:v1", status=None), "space")
    assert_no_kits(kitfast)
    assert not list((small_disk / "home" / "contents").glob("??/*"))


def test_no_space_to_unpack(kitfast: Kitfast, tmp_path: Path, small_disk: Path) -> None:
    source = folders.shards(tmp_path / "source", 1, 3 << 20)
    kitfast.run("pack", source, "--tag", "kit:v1")
    refused(kitfast.run("unpack", "kit:v1", "--dir", small_disk, status=None), "space")
    assert not list(small_disk.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "words", [("nonsense",), ("pack",), ("pack", ".", "--nonsense"), ("unpack", "a", "b", "c")]
)
def test_wrong_command_line(kitfast: Kitfast, words: tuple[str, ...]) -> None:
    outcome = kitfast.run(*words, status=None)
    assert outcome.status == 1
    assert "Traceback" not in outcome.stderr
    assert outcome.stdout == ""


def assert_no_kits(kitfast: Kitfast) -> None:
    listed = kitfast.run("list").stdout.splitlines()
    assert len(listed) == 1, listed


def as_plain_user() -> None:
    """Takes from root the right to read everything, in a child that is about to start."""
    libc = ctypes.CDLL(None)
    drop_from_bounding_set, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)
