"""`--dry-run`: says what would be fetched, and fetches no layer."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused, wait
from tests.support.faults import Fault, FaultyRegistry, always

SIZE = 3 << 20


@pytest.fixture
def pushed(kitfast: Kitfast, registry: FaultyRegistry, tmp_path: Path) -> str:
    """The reference of a kit with one big layer in it, and a small one."""
    source = folders.shards(tmp_path / "source", 2, SIZE)
    reference = f"{registry.host}/some/kit:v1"
    kitfast.run("push", source, reference, "--plain-http")
    return reference


def planned(kitfast: Kitfast, *words: str | Path) -> Any:
    """The plan as JSON."""
    more = ("--dry-run", "--plain-http", "--format", "json")
    return json.loads(kitfast.run(*words, *more).stdout)


def layers_sent(registry: FaultyRegistry, plan: Any) -> int:
    return sum(registry.sent[layer["digest"]] for layer in plan["layers"])


def test_a_pull_is_planned_and_nothing_is_fetched(
    other: Kitfast, registry: FaultyRegistry, pushed: str
) -> None:
    plan = planned(other, "pull", pushed, "--part-size", "1MiB", "--connections", "4")
    assert plan["fetch"] == plan["size"] > 2 * SIZE and plan["here"] == 0
    assert (plan["connections"], plan["most_connections"]) == (4, 4)
    assert plan["parts"] == sum(layer["parts"] for layer in plan["layers"]) >= 2 * SIZE >> 20
    assert layers_sent(registry, plan) == 0
    # It was right: that is what a pull fetches.
    told = other.run("pull", pushed, "--plain-http", "--format", "json")
    assert json.loads(told.stdout)["fetched"] == plan["fetch"]


def test_what_is_here_is_counted(other: Kitfast, registry: FaultyRegistry, pushed: str) -> None:
    other.run("pull", pushed, "--plain-http")
    plan = planned(other, "pull", pushed)
    assert plan["fetch"] == plan["parts"] == 0 and plan["here"] == plan["size"] > 0
    assert "nothing to fetch" in other.run("pull", pushed, "--dry-run", "--plain-http").stdout


def test_what_a_broken_pull_left_is_counted_and_stays(
    other: Kitfast, registry: FaultyRegistry, pushed: str
) -> None:
    registry.script = always(Fault(stall_at=200_000, stall=0.5))
    words = ("pull", pushed, "--plain-http", "--part-size", "256KiB", "--connections", "2")
    child = other.start(*words)
    time.sleep(4)
    os.kill(child.pid, signal.SIGTERM)
    wait(child)
    first, second = planned(other, "pull", pushed), planned(other, "pull", pushed)
    assert 0 < first["here"] < first["size"] and first == second
    registry.script = lambda seen: None
    told = json.loads(other.run(*words, "--format", "json").stdout)
    assert told["fetched"] == first["fetch"]


def test_an_unpack_is_planned_and_nothing_is_written(
    other: Kitfast, registry: FaultyRegistry, pushed: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    whole = planned(other, "unpack", pushed, "--dir", target)
    docs = planned(other, "unpack", pushed, "--dir", target, "--filter", "docs")
    assert whole["fetch"] > 2 * SIZE and 0 < docs["fetch"] < 64 << 10
    assert layers_sent(registry, whole) == 0 and not target.exists()
    other.run("pull", pushed, "--plain-http")
    assert planned(other, "unpack", pushed)["fetch"] == 0
    assert planned(other, "unpack", pushed, "--remote")["fetch"] == whole["fetch"]


def test_what_a_marker_vouches_for_would_not_come(
    other: Kitfast, registry: FaultyRegistry, pushed: str, tmp_path: Path
) -> None:
    words = ("unpack", pushed, "--dir", tmp_path / "target", "--marker", tmp_path / "marker")
    assert planned(other, *words)["fetch"] > 2 * SIZE and not list(tmp_path.glob("marker"))
    other.run(*words, "--plain-http")
    assert planned(other, *words)["fetch"] == 0
    assert planned(other, *words, "--filter", "docs")["fetch"] > 0, "another choice is not there"
    # What the unpack would be refused for, the plan is, too.
    for wrong in (("--marker", tmp_path), ("--unverified",)):
        refused(other.run(*words, *wrong, "--dry-run", "--plain-http", status=None), "marker")


def test_what_a_broken_unpack_left_in_its_folder_is_counted_and_stays(
    other: Kitfast, registry: FaultyRegistry, pushed: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    registry.script = always(Fault(stall_at=200_000, stall=0.5))
    more = ("--part-size", "256KiB", "--connections", "2")
    words = ("unpack", pushed, "--dir", str(target))
    child = other.start(*words, *more, "--plain-http")
    time.sleep(4)
    os.kill(child.pid, signal.SIGTERM)
    wait(child)
    before = folders.snapshot(target)
    first, second = planned(other, *words), planned(other, *words)
    # Of other patterns there was no try.
    assert planned(other, *words, "--include", "*")["here"] == 0
    assert 0 < first["here"] < first["size"] and first == second
    elsewhere = planned(other, "unpack", pushed, "--dir", tmp_path / "none")
    assert elsewhere["here"] == 0 and not (tmp_path / "none").exists()
    assert folders.snapshot(target) == before
    registry.script = lambda seen: None
    told = json.loads(other.run(*words, *more, "--plain-http", "--format", "json").stdout)
    assert told["fetched"] == first["fetch"]


def test_people_get_a_table(other: Kitfast, pushed: str) -> None:
    told = other.run("pull", pushed, "--dry-run", "--plain-http").stdout
    first, heads, *rows = told.splitlines()
    assert "to fetch, in" in first and "8 to 32 connections" in first
    assert heads.split() == ["LAYER", "SIZE", "HERE", "PARTS", "DIGEST"] and len(rows) >= 2
