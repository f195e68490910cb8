"""Replays recorded kit commands: the same statuses, outputs, keys and files."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import GOLDEN, Artifact
from tests.support.registries import Running, plain_registry

from kitfast.cli import main

__all__ = ["plain_registry"]

STEPS: list[dict[str, Any]] = json.loads((GOLDEN / "cli.json").read_text("utf-8"))
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CELLS = re.compile(r" {3,}")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

# What kit's `init` was tried on: the recorded tree, without its Kitfile, and these.
TREE2 = ("m.gguf", "model.onnx", "x.pkl", "y.pt", "LICENSE", "train.py")


class Replay:
    """The recorded commands, run one after the other in one folder and one store."""

    def __init__(self, folder: Path, host: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.host = host
        self.capsys = capsys

    def run(self, step: dict[str, Any]) -> str:
        """Runs a command, checks its status, and returns what it wrote."""
        words = [word.replace("REGISTRY", self.host) for word in step["args"]]
        self.capsys.readouterr()
        status = main(words)
        out, err = self.capsys.readouterr()
        assert status == expected_status(step), f"{words}: {err}"
        if status:
            assert out == "", words
            assert err.startswith("error: "), words
        return out.replace(self.host, "REGISTRY")

    def check(self, step: dict[str, Any]) -> None:
        out = self.run(step)
        if "stdout" in step:
            same_output(step["args"][0], out, step["stdout"], step["args"])
        if "files" in step:
            folder = self.folder / step["args"][step["args"].index("-d") + 1]
            assert files(folder) == (step["files"] or []), step["args"]
        if "Kitfile" in step:
            assert (self.folder / "tree2" / "Kitfile").read_text("utf-8") == step["Kitfile"]


def expected_status(step: dict[str, Any]) -> int:
    """kit's status, but for lists of a repository without a `latest` tag: those work here."""
    args = step["args"]
    remote_list = args[0] == "list" and len(args) > 1 and args[1].startswith("REGISTRY")
    return 0 if remote_list else int(step["exit"])


def same_output(verb: str, out: str, recorded: str, args: list[str]) -> None:
    """Compares what two tools wrote; their manifests, and so the manifests' digests, differ."""
    if verb == "info":
        assert out == recorded
    elif verb == "inspect":
        same_inspection(json.loads(out), json.loads(recorded))
        assert out == json.dumps(json.loads(out), indent=2) + "\n"
    elif "json" in args:
        # Byte for byte: names, order, indent and Go's escapes.
        assert DIGEST.sub("DIGEST", out) == DIGEST.sub("DIGEST", recorded)
    else:
        assert rows(out) == rows(recorded)


def rows(table: str) -> list[list[str]]:
    """The cells of a table, without the widths, which depend on the registry's name."""
    return [CELLS.split(DIGEST.sub("DIGEST", line)) for line in table.splitlines()]


def same_inspection(mine: dict[str, Any], recorded: dict[str, Any]) -> None:
    assert list(mine) == list(recorded)
    # As text: the order of the keys is kit's, too.
    assert json.dumps(mine["kitfile"]) == json.dumps(recorded["kitfile"])
    assert DIGEST.fullmatch(mine["digest"])
    manifest, kits = mine["manifest"], recorded["manifest"]
    assert (manifest["schemaVersion"], manifest["config"]) == (2, kits["config"])
    # Newer kit annotates layers with their paths, and so does kitfast.
    known = ("mediaType", "digest", "size")
    assert [{key: layer[key] for key in known} for layer in manifest["layers"]] == kits["layers"]
    assert mine["cliVersion"] == manifest["annotations"]["ml.kitops.modelkit.cli-version"]


def files(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )


def lay_out(folder: Path) -> None:
    shutil.copytree(GOLDEN / "artifacts" / "tree", folder / "tree")
    shutil.copytree(folder / "tree", folder / "tree2", ignore=shutil.ignore_patterns("Kitfile"))
    for name in TREE2:
        (folder / "tree2" / name).write_text("x")


def send(name: str, host: str, repository: str, tag: str) -> None:
    """Puts a recorded artifact into a registry, with nothing of kitfast's."""
    artifact = Artifact(name, GOLDEN / "artifacts" / name)
    manifest = json.loads(artifact.manifest)
    base = f"http://{host}/v2/{repository}"
    for blob in [manifest["config"], *manifest["layers"]]:
        location = _request("POST", f"{base}/blobs/uploads/", b"")
        target = location if "://" in location else f"http://{host}{location}"
        joint = "&" if "?" in target else "?"
        _request("PUT", f"{target}{joint}digest={blob['digest']}", artifact.blob(blob["digest"]))
    _request("PUT", f"{base}/manifests/{tag}", artifact.manifest, MANIFEST)


def _request(method: str, url: str, data: bytes, kind: str = "application/octet-stream") -> str:
    """Sends one request and returns the Location of its answer."""
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.headers["Location"])


def test_every_recorded_command(
    tmp_path: Path,
    plain_registry: Running,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITFAST_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path)
    send("kit17-tar", plain_registry.host, "g/kit17", "tar")
    send("kithead-gzip", plain_registry.host, "g/kithead", "gzip")
    replay = Replay(tmp_path, plain_registry.host, capsys)
    for step in STEPS:
        replay.check(step)


def test_a_repository_without_latest_can_be_listed(
    tmp_path: Path,
    plain_registry: Running,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITFAST_HOME", str(tmp_path))
    send("kit17-tar", plain_registry.host, "g/listed", "b")
    send("kit17-tar", plain_registry.host, "g/listed", "a")
    assert main(["list", f"{plain_registry.host}/g/listed", "--plain-http"]) == 0
    _, first, second = rows(capsys.readouterr().out)
    assert first == ["g/listed", "a", "kitfast", "tiny", "14.5 KiB", "DIGEST"]
    assert second[1] == "b"
