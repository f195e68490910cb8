"""Exchanges artifacts with oras and crane, both ways, through a real registry."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from tests.e2e.conftest import kitfast, other
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.layouts import blob_path, parts
from tests.support.peers import run, tool
from tests.support.registries import Running, plain_registry

__all__ = ["kitfast", "other", "plain_registry"]

pytestmark = pytest.mark.interop


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two shards and a document."""
    return folders.shards(tmp_path / "source", 2, 3 << 20)


def push(kitfast: Kitfast, source: Path, reference: str, *flags: str) -> None:
    """Packs and pushes with kitfast."""
    kitfast.run("pack", source, "--tag", reference, *flags)
    kitfast.run("push", reference, "--plain-http")


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_oras_fetches_what_kitfast_pushed(
    kitfast: Kitfast, source: Path, plain_registry: Running, tmp_path: Path, compression: str
) -> None:
    reference = f"{plain_registry.host}/interop/oras:{compression}"
    push(kitfast, source, reference, "--compression", compression)
    layout = tmp_path / "layout"
    run(tool("oras"), "copy", "--from-plain-http", reference, "--to-oci-layout", f"{layout}:v1")
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob_path(layout, entry["digest"]).read_text())
    for part in parts(manifest):
        blob = blob_path(layout, part["digest"])
        assert f"sha256:{folders.sha256(blob)}" == part["digest"]
    unpacked = tmp_path / "unpacked"
    for layer in manifest["layers"]:
        with tarfile.open(blob_path(layout, layer["digest"])) as tar:
            tar.extractall(unpacked, filter="fully_trusted")
    assert folders.tree(unpacked) == folders.tree(source)


def test_oras_pulls_the_files_of_a_model_pack(
    kitfast: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/interop/modelpack:v1"
    push(kitfast, source, reference, "--use-model-pack")
    unpacked = tmp_path / "unpacked"
    run(tool("oras"), "pull", "--plain-http", reference, "--output", unpacked)
    for name in ("shards/model-00000.safetensors", "shards/model-00001.safetensors", "README.md"):
        assert folders.sha256(unpacked / name) == folders.sha256(source / name)


def test_kitfast_unpacks_what_oras_pushed(
    kitfast: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/interop/pushed:v1"
    files = ("README.md:text/markdown", "shards/model-00000.safetensors", "shards")
    run(tool("oras"), "push", "--plain-http", reference, *files[:2], cwd=source)
    kitfast.run("unpack", reference, "--plain-http", "--dir", tmp_path / "files")
    for name in ("README.md", "shards/model-00000.safetensors"):
        assert folders.sha256(tmp_path / "files" / name) == folders.sha256(source / name)
    # A folder is sent as a gzip tar, and marked as such.
    run(tool("oras"), "push", "--plain-http", reference, files[2], cwd=source)
    kitfast.run("unpack", reference, "--plain-http", "--dir", tmp_path / "folder")
    assert folders.tree(tmp_path / "folder" / "shards") == folders.tree(source / "shards")


def test_kitfast_pulls_what_oras_copied(
    kitfast: Kitfast, other: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/interop/original:v1"
    copy = f"{plain_registry.host}/interop/copied:v2"
    push(kitfast, source, reference)
    run(tool("oras"), "copy", "--from-plain-http", "--to-plain-http", reference, copy)
    other.run("pull", copy, "--plain-http")
    other.run("unpack", copy, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)


def test_crane_reads_what_kitfast_pushed(
    kitfast: Kitfast, source: Path, plain_registry: Running
) -> None:
    reference = f"{plain_registry.host}/interop/crane:v1"
    push(kitfast, source, reference)
    ours = json.loads(kitfast.run("inspect", reference).stdout)
    assert run(tool("crane"), "digest", "--insecure", reference).strip() == ours["digest"]
    assert json.loads(run(tool("crane"), "manifest", "--insecure", reference)) == ours["manifest"]
    tags = run(tool("crane"), "ls", "--insecure", reference.rpartition(":")[0]).split()
    # The other is the fall-back of registries without a referrers API: for the list of files.
    assert sorted(tags) == sorted(["v1", ours["digest"].replace(":", "-")])


def test_oras_discovers_and_copies_the_list_of_files(
    kitfast: Kitfast, other: Kitfast, source: Path, plain_registry: Running, tmp_path: Path
) -> None:
    reference = f"{plain_registry.host}/interop/list:v1"
    push(kitfast, source, reference)
    told = json.loads(run(tool("oras"), "discover", "--plain-http", reference, "--format", "json"))
    (entry,) = told["referrers"]
    assert entry["artifactType"] == "application/vnd.kitfast.files.v1+json"
    elsewhere = f"{plain_registry.host}/interop/list-copied:v1"
    flags = ("--from-plain-http", "--to-plain-http", "--recursive")
    run(tool("oras"), "copy", *flags, reference, elsewhere)
    flags = ("--plain-http", "--include", "model-00000*", "--format", "json")
    done = other.run("unpack", elsewhere, "--dir", tmp_path / "out", *flags)
    assert json.loads(done.stdout)["verified"] == "file"
    name = "shards/model-00000.safetensors"
    assert folders.sha256(tmp_path / "out" / name) == folders.sha256(source / name)
