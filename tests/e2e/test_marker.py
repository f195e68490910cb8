"""The marker of `unpack` under kill -9: never there while files are missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.faults import Fault, FaultyRegistry, always
from tests.support.killing import kill_often

TIMES = 12


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_kills(kitfast: Kitfast, other: Kitfast, tmp_path: Path, compression: str) -> None:
    source = folders.shards(tmp_path / "source", 2, 3 << 20)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("pack", source, "--tag", reference, "--compression", compression)
        kitfast.run("push", reference, "--plain-http")
        # Slow enough that kills find it at every stage.
        registry.script = always(Fault(wait=0.1))
        target, marker = tmp_path / "target", tmp_path / "marker"
        words = ("unpack", reference, "--plain-http", "--part-size", "1MiB", "--marker")
        whole = other.run(*words, tmp_path / "first", "--dir", tmp_path / "measured").seconds
        seen: list[bool] = []

        def check() -> None:
            seen.append(marker.exists())
            if marker.exists():
                assert folders.tree(target).keys() >= folders.tree(source).keys()
                assert json.loads(marker.read_text())["digest"] in registry.manifests
                assert whole_files(target, source)
                marker.unlink()
                shutil.rmtree(target)

        killed = kill_often(
            other,
            (*words, marker, "--dir", target),
            times=TIMES,
            longest_seconds=whole * 1.2,
            check=check,
        )
        assert killed and not all(seen)
        other.run(*words, marker, "--dir", target)
        assert marker.exists()
    assert folders.tree(target) == folders.tree(source)


def whole_files(target: Path, source: Path) -> bool:
    """Whether all files of a folder are in another one, to the byte."""
    return all(
        folders.sha256(target / path.relative_to(source)) == folders.sha256(path)
        for path in source.rglob("*")
        if path.is_file() and path.name != "Kitfile"
    )


def test_a_container_that_restarts_is_done_at_once(
    kitfast: Kitfast, other: Kitfast, tmp_path: Path
) -> None:
    source = folders.shards(tmp_path / "source", 2, 1 << 20)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, reference, "--plain-http")
        marker = tmp_path / "volume" / ".complete"
        variables = {
            "MODELKIT_REF": reference,
            "UNPACK_PATH": str(tmp_path / "volume"),
            "EXTRA_FLAGS": f"--marker {marker}",
            "KITFAST_PLAIN_HTTP": "true",
        }
        other.run("container-init", extra=variables)
        sent = sum(registry.sent.values())
        again = other.run("container-init", extra=variables)
        assert "already" in again.stdout
        # The config is read again, to know the kit by; no layer is.
        assert sum(registry.sent.values()) - sent < 10_000
        assert json.loads(marker.read_text())["digest"] in again.stdout
