"""What a bench says of its bars: the ratio, met or not, the most there can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

VERSUS = Path(__file__).parents[2] / "benches" / "versus"


def row(peer: str, rate: int, cpu: float = 1.0, **more: Any) -> dict[str, Any]:
    of = {"link": "loopback", "model": "one", "peer": peer, "verifies": True}
    return {**of, "seconds": 1.0, "mb_s": rate, "cpu_s_per_gb": cpu, **more}


def lines(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> list[str]:
    monkeypatch.syspath_prepend(str(VERSUS))
    import bars  # type: ignore[import-not-found]

    return list(bars.lines(rows))


def test_a_bar_out_of_reach_stands_beside_the_most_this_machine_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ceiling = {
        "link": "loopback",
        "model": "one",
        "ceiling": "any program that verifies what it keeps",
    }
    rows = [row("kitfast unpack", 900, 1.2), row("kit pull", 600, 1.5), {**ceiling, "mb_s": 1000}]
    (line,) = lines(monkeypatch, rows)
    assert line == (
        "- kitfast unpack: 1.50 times kit pull, the bar is 2.2: not met; 1.67 is the most here, "
        "and kitfast unpack has 0.90 of that; 0.80 of its CPU time, the bar is 0.65"
    )


def test_a_bar_is_met_by_the_fastest_of_several_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("kitfast unpack", 980), row("aria2c x16", 700), row("hf_transfer x16", 990)]
    rows = [{**one, "link": "capped"} for one in rows]
    assert lines(monkeypatch, rows) == [
        "- kitfast unpack: 0.99 times hf_transfer x16, the bar is 1: not met"
    ]
    rows[2]["mb_s"] = 970
    assert lines(monkeypatch, rows)[0].endswith("times hf_transfer x16, the bar is 1: met")


def test_nothing_is_said_of_programs_that_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(monkeypatch, [row("kitfast unpack", 900)]) == []
    assert lines(monkeypatch, []) == []


def test_the_link_alone_is_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    of = {"link": "gigabit", "model": "one"}
    link = {**of, "ceiling": "link and registry alone: 16 curls that keep nothing", "mb_s": 119}
    rows = [{**row("kitfast unpack", 116), **of}, link]
    assert lines(monkeypatch, rows) == [
        "- kitfast unpack: 0.97 times the link, the bar is 0.95: met"
    ]
