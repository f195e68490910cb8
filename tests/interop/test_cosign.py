"""The init container's entry point with signatures that cosign made and checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.e2e.conftest import kitfast, other
from tests.support.commands import Kitfast, refused
from tests.support.folders import shards, tree
from tests.support.peers import run, tool
from tests.support.registries import Running, plain_registry

__all__ = ["kitfast", "other", "plain_registry"]

pytestmark = pytest.mark.interop

PLAIN = {"KITFAST_PLAIN_HTTP": "true"}


def keys(folder: Path) -> Path:
    """Makes a pair of keys without a password, `cosign.key` and `cosign.pub`."""
    folder.mkdir()
    run(tool("cosign"), "generate-key-pair", cwd=folder, extra={"COSIGN_PASSWORD": ""})
    return folder


def test_cosign_vouches_for_what_is_unpacked(
    kitfast: Kitfast, other: Kitfast, plain_registry: Running, tmp_path: Path
) -> None:
    source = shards(tmp_path / "source", 2, 100_000)
    reference = f"{plain_registry.host}/interop/signed:v1"
    kitfast.run("push", source, reference, extra=PLAIN)
    digest = json.loads(kitfast.run("inspect", "-r", reference, extra=PLAIN).stdout)["digest"]
    ours, theirs = keys(tmp_path / "our keys"), keys(tmp_path / "their keys")
    out = tmp_path / "out"
    told = PLAIN | {
        "MODELKIT_REF": reference,
        "UNPACK_PATH": str(out),
        "PATH": str(Path(tool("cosign")).parent),
        # No server of sigstore's is asked: not for its log, nor for what to trust.
        "COSIGN_FLAGS": "--insecure-ignore-tlog",
    }
    ours_only = told | {"COSIGN_KEY": str(ours / "cosign.pub")}
    unsigned = other.run("container-init", status=None, extra=ours_only)
    refused(unsigned, digest, "no signatures found", "do not use")
    run(
        *(tool("cosign"), "sign", "--key", ours / "cosign.key", "--yes", "--allow-http-registry"),
        *("--use-signing-config=false", "--tlog-upload=false"),
        f"{reference.removesuffix(':v1')}@{digest}",
        extra={"COSIGN_PASSWORD": ""},
    )
    wrong = told | {"COSIGN_KEY": str(theirs / "cosign.pub")}
    refused(other.run("container-init", status=None, extra=wrong), digest, "do not use")
    assert not out.exists()
    other.run("container-init", extra=ours_only)
    assert tree(out / "shards") == tree(source / "shards")
