"""A file over 8 GiB, whose size no plain tar header holds, comes back whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.registries import Running

pytestmark = pytest.mark.slow

SIZE = (8 << 30) + 12345


def test_over_8_gib(
    kitfast: Kitfast, other: Kitfast, plain_registry: Running, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    folders.sparse(source / "shards" / "huge.safetensors", SIZE)
    folders.write(source / "README.md", b"# Huge\n")
    folders.write(source / "Kitfile", folders.MODEL_KITFILE.encode())
    reference = f"{plain_registry.host}/huge/model:v1"
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    kitfast.run("remove", reference)
    other.run("pull", reference, "--plain-http")
    other.run("unpack", reference, "--dir", tmp_path / "target")
    other.run("remove", reference)
    same(source, tmp_path / "target")
    (tmp_path / "target" / "shards" / "huge.safetensors").unlink()
    other.run("unpack", reference, "--plain-http", "--dir", tmp_path / "direct")
    same(source, tmp_path / "direct")


def same(source: Path, target: Path) -> None:
    assert (target / "shards" / "huge.safetensors").stat().st_size == SIZE
    assert folders.tree(target) == folders.tree(source)
