"""The same files give the same digests, whatever their times and order on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast


def digests(kitfast: Kitfast, reference: str) -> list[str]:
    """The manifest's, the config's and every layer's digest of a local kit."""
    seen = json.loads(kitfast.run("inspect", reference).stdout)
    manifest = seen["manifest"]
    layers = [layer["digest"] for layer in manifest["layers"]]
    return [seen["digest"], manifest["config"]["digest"], *layers]


@pytest.mark.parametrize("flags", [(), ("--compression", "gzip")], ids=["none", "gzip"])
def test_packing_twice(
    kitfast: Kitfast, other: Kitfast, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    source = folders.awkward(tmp_path / "source")
    copy = folders.scrambled_copy(source, tmp_path / "copy")
    kitfast.run("pack", source, "--tag", "kit:v1", *flags)
    other.run("pack", copy, "--tag", "kit:v1", *flags)
    first = digests(kitfast, "kit:v1")
    assert len(first) == 7
    assert digests(other, "kit:v1") == first
    # Again in the first home, where everything is known already.
    for path in source.rglob("*"):
        os.utime(path)
    kitfast.run("pack", source, "--tag", "kit:v2", *flags)
    assert digests(kitfast, "kit:v2") == first


def test_one_changed_byte_changes_its_layer_only(kitfast: Kitfast, tmp_path: Path) -> None:
    source = folders.awkward(tmp_path / "source")
    kitfast.run("pack", source, "--tag", "kit:v1")
    part = source / "part.safetensors"
    times = part.stat()
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    # Not even the old times may make a changed file look unchanged.
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    kitfast.run("pack", source, "--tag", "kit:v2")
    before, after = digests(kitfast, "kit:v1"), digests(kitfast, "kit:v2")
    changed = [
        index for index, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1
    ]
    assert changed == [0, 1, 3]
