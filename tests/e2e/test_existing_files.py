"""Unpacking where files are already: refused before a byte, kept, or replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused
from tests.support.faults import FaultyRegistry

KITFILE = """\
manifestVersion: 1.0.0
model:
  path: weights.safetensors
  parts:
    - path: config.json
    - path: tokenizer.json
code:
  - path: scripts
docs:
  - path: README.md
"""
# Six files in five layers, and the Kitfile.
COUNT = 7


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A kit of single files and of one folder."""
    source = tmp_path / "source"
    folders.write(source / "Kitfile", KITFILE.encode())
    folders.write(source / "weights.safetensors", folders.noise(6 << 20, 1))
    for name in ("config.json", "tokenizer.json", "README.md", "scripts/a.py", "scripts/b.py"):
        folders.write(source / name, name.encode() * 100)
    return source


@pytest.fixture(params=["tar", "raw", "gzip"])
def pushed(
    request: pytest.FixtureRequest, kitfast: Kitfast, registry: FaultyRegistry, source: Path
) -> str:
    """The reference of the kit, its layers in each shape."""
    more = {
        "tar": (),
        "raw": ("--use-model-pack", "--layer-format", "raw"),
        "gzip": ("--compression", "gzip"),
    }
    reference = f"{registry.host}/some/kit:v1"
    kitfast.run("pack", source, "--tag", reference, *more[request.param])
    kitfast.run("push", reference, "--plain-http")
    return reference


def unpack(kitfast: Kitfast, reference: str, target: Path, *more: str) -> Any:
    """What a successful unpack says."""
    words = ("unpack", reference, "--plain-http", "--dir", target, "--format", "json", *more)
    return json.loads(kitfast.run(*words).stdout)


def layers_sent(registry: FaultyRegistry, plan: Any) -> int:
    return sum(registry.sent[layer["digest"]] for layer in plan["layers"])


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("policy", ["--ignore-existing", "--overwrite"])
def test_a_refusal_leaves_nothing_and_the_hint_works(
    other: Kitfast,
    registry: FaultyRegistry,
    pushed: str,
    source: Path,
    tmp_path: Path,
    policy: str,
) -> None:
    target = tmp_path / "target"
    for name in ("tokenizer.json", "config.json"):
        folders.write(target / name, b"mine")
    plan = other.run("unpack", pushed, "--plain-http", "--dry-run", "--format", "json").stdout
    words = ("unpack", pushed, "--plain-http", "--dir", target)
    # Of two in the way the first of the Kitfile is told, each time.
    refused(other.run(*words, status=None), "config.json", "already exists", "--overwrite")
    assert names(target) == {"tokenizer.json", "config.json"}
    assert layers_sent(registry, json.loads(plan)) == 0
    told = unpack(other, pushed, target, policy)
    kept = 2 if policy == "--ignore-existing" else 0
    assert (told["files"], told["kept"]) == (COUNT - kept, kept)
    assert (target / "config.json").read_bytes() == (
        b"mine" if kept else (source / "config.json").read_bytes()
    )
    assert (target / "scripts" / "b.py").exists() and ".kitfast-staging" not in names(target)


def test_a_late_refusal_leaves_no_staging(other: Kitfast, pushed: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    folders.write(target / "scripts" / "b.py", b"mine")
    words = ("unpack", pushed, "--plain-http", "--dir", target)
    refused(other.run(*words, status=None), "scripts/b.py", "already exists")
    assert ".kitfast-staging" not in names(target)
    unpack(other, pushed, target, "--ignore-existing")
    assert (target / "scripts" / "b.py").read_bytes() == b"mine"
    told = unpack(other, pushed, target, "--overwrite")
    assert (told["files"], told["kept"]) == (COUNT, 0)
    assert (target / "scripts" / "b.py").read_bytes() != b"mine"


def test_all_rules_count_alike_and_what_is_there_is_not_fetched(
    other: Kitfast, pushed: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    told = unpack(other, pushed, target)
    assert (told["files"], told["kept"]) == (COUNT, 0)
    told = unpack(other, pushed, target, "--ignore-existing")
    assert (told["files"], told["kept"]) == (0, COUNT)
    # Of the folder's files the manifest of a ModelKit does not tell.
    assert told["fetched"] < 64 << 10
    told = unpack(other, pushed, target, "--overwrite")
    assert (told["files"], told["kept"]) == (COUNT, 0)


def test_from_the_store(kitfast: Kitfast, source: Path, tmp_path: Path) -> None:
    kitfast.run("pack", source, "--tag", "kit:v1")
    target = tmp_path / "target"
    folders.write(target / "README.md", b"mine")
    words = ("unpack", "kit:v1", "--dir", target)
    refused(kitfast.run(*words, status=None), "README.md", "already exists")
    assert names(target) == {"README.md"}
    told = json.loads(kitfast.run(*words, "--ignore-existing", "--format", "json").stdout)
    assert (told["files"], told["kept"]) == (COUNT - 1, 1)
    assert folders.sha256(target / "config.json") == folders.sha256(source / "config.json")


@pytest.mark.parametrize("rule", ["--overwrite", "--ignore-existing"])
def test_a_folder_in_the_place_of_a_file_is_named_as_such(
    kitfast: Kitfast, source: Path, tmp_path: Path, rule: str
) -> None:
    kitfast.run("pack", source, "--tag", "kit:v1")
    target = tmp_path / "target"
    folders.write(target / "config.json" / "mine", b"mine")
    outcome = kitfast.run("unpack", "kit:v1", "--dir", target, rule, status=None)
    refused(outcome, "config.json", "already exists", "a folder is where")
    assert rule not in outcome.stderr
    assert (target / "config.json" / "mine").read_bytes() == b"mine"
