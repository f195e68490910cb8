"""What kit, modctl and oras made comes out of a registry as the files they packed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.golden import GOLDEN
from tests.support.layouts import push_layout
from tests.support.registries import Running

ARTIFACTS = GOLDEN / "artifacts"
TREE = ARTIFACTS / "tree"
KITS = ("kit17-tar", "kithead-tar", "kithead-gzip")
OTHERS = ("modctl-raw-false", "modctl-raw-true", "oras-files")


@pytest.fixture(params=[*KITS, *OTHERS])
def artifact(request: pytest.FixtureRequest, plain_registry: Running) -> tuple[str, str]:
    """The name of an artifact, and its reference in a registry."""
    name = str(request.param)
    push_layout(ARTIFACTS / name, plain_registry.host, f"golden/{name}", "v1")
    return name, f"{plain_registry.host}/golden/{name}:v1"


def test_unpack(kitfast: Kitfast, artifact: tuple[str, str], tmp_path: Path) -> None:
    name, reference = artifact
    kitfast.run("unpack", reference, "--plain-http", "--dir", tmp_path / "direct")
    kitfast.run("pull", reference, "--plain-http")
    kitfast.run("unpack", reference, "--dir", tmp_path / "pulled")
    packed, unpacked = contents(TREE), contents(tmp_path / "pulled")
    assert contents(tmp_path / "direct") == unpacked
    if name in KITS:
        assert unpacked == packed
    else:
        # These tools were given only some of the files, which must be the very same.
        assert "model.safetensors" in unpacked
        assert unpacked.items() <= packed.items()


def contents(folder: Path) -> dict[str, str]:
    """The files below a folder and their SHA-256; modes are not those of a checkout."""
    return {
        name: what.split()[1] for name, what in folders.tree(folder).items() if "folder" not in what
    }
