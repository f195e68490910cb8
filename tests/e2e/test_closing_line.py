"""The closing line of a transfer: how much, how fast, what held it back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.faults import FaultyRegistry

SIZE = 2 << 20
LINE = re.compile(
    r"^(\d+) layers?, [\d.]+ \w+ in [\d.]+ s, [\d.]+ (?:[KMG]i)?B/s; "
    r"held back by (the network|the registry|the disk|the hash|the CPU|--max-rate) \d+ %$",
    re.MULTILINE,
)


@pytest.fixture
def pushed(kitfast: Kitfast, registry: FaultyRegistry, tmp_path: Path) -> str:
    """The reference of a kit of three layers in it."""
    source = folders.shards(tmp_path / "source", 2, SIZE)
    reference = f"{registry.host}/some/kit:v1"
    told = kitfast.run("push", source, reference, "--plain-http", "--progress", "plain")
    assert LINE.search(told.stderr) and not LINE.search(told.stdout)
    return reference


def test_every_transfer_ends_with_it(
    kitfast: Kitfast, other: Kitfast, pushed: str, tmp_path: Path
) -> None:
    for words in (
        ("pull", pushed),
        ("unpack", pushed, "--remote", "--dir", tmp_path / "target"),
    ):
        told = other.run(*words, "--plain-http")
        assert len(LINE.findall(told.stderr)) == 1, told.stderr
        assert len(told.stdout.splitlines()) == 1
    told = kitfast.run("unpack", pushed, "--remote", "--plain-http", "--progress", "none")
    assert told.stderr == ""


def test_nothing_moved_is_said_so(other: Kitfast, pushed: str) -> None:
    other.run("pull", pushed, "--plain-http")
    told = other.run("pull", pushed, "--plain-http")
    assert "nothing had to be moved" in told.stderr


def test_json_has_the_same_numbers(other: Kitfast, pushed: str) -> None:
    told = other.run("pull", pushed, "--plain-http", "--format", "json")
    flow = json.loads(told.stdout)["flow"]
    assert flow["moved"] > 2 * SIZE and flow["layers"] == json.loads(told.stdout)["layers"]
    assert flow["rate"] == pytest.approx(flow["moved"] / flow["seconds"], rel=0.05)
    assert flow["shares"].keys() == {"network", "registry", "disk", "hash", "cpu", "max-rate"}
    assert 0 < sum(flow["shares"].values()) < 1.01
    assert f"{flow['share'] * 100:.0f} %" in told.stderr
    assert LINE.search(told.stderr)


def test_a_local_unpack_has_none(other: Kitfast, pushed: str, tmp_path: Path) -> None:
    other.run("pull", pushed, "--plain-http")
    told = other.run("unpack", pushed, "--dir", tmp_path / "target", "--format", "json")
    assert json.loads(told.stdout)["flow"] is None and "held back" not in told.stderr


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_highest_rate_is_kept_and_named(
    kitfast: Kitfast, other: Kitfast, pushed: str, registry: FaultyRegistry, verb: str
) -> None:
    words = [verb, pushed, "--plain-http", "--max-rate", "2MiB", "--format", "json"]
    if verb == "push":
        kitfast.run("pull", pushed, "--plain-http")
        registry.blobs.clear()
    told = (kitfast if verb == "push" else other).run(*words)
    flow = json.loads(told.stdout)["flow"]
    assert 2.0 <= flow["seconds"] < 5 and flow["rate"] <= 2.2 * (1 << 20)
    assert flow["held_back_by"] == "max-rate"
    assert "held back by --max-rate" in told.stderr
