"""The ratios kitfast is held to, each beside what this machine leaves room for.

A ratio counts only between programs of one run. Where registry, client and disk share few
cores, some of the ratios are beyond what any program could reach: the ceiling of the same run
says so, and how near kitfast comes to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ceilings import ALL


@dataclass(frozen=True)
class Bar:
    """`ours` is to be `least` times as fast as the fastest of `theirs`.

    `theirs` are beginnings of names; the word `link` stands for the link alone. `cpu` is the
    share of their CPU time a byte that ours may take.
    """

    link: str
    model: str
    ours: str
    theirs: tuple[str, ...]
    least: float
    cpu: float | None = None


BARS = (
    Bar("loopback", "one", "kitfast unpack", ("kit pull",), 2.2, cpu=0.65),
    Bar("loopback", "one", "kitfast pull", ("kit pull",), 2.2, cpu=0.65),
    Bar("loopback", "one", "kitfast unpack", ("blocking, old files",), 1.0),
    Bar("loopback", "shards", "kitfast unpack", ("kit pull",), 1.8),
    Bar("loopback", "shards", "kitfast pull", ("kit pull",), 1.8),
    Bar("loopback", "shards", "kitfast unpack", ("blocking x2",), 0.9),
    Bar("loopback", "shards", "kitfast unpack", ("kit unpack",), 1.3),
    Bar("loopback", "shards", "kitfast unpack", ("kit pull + unpack",), 2.5),
    Bar("tls", "one", "kitfast unpack", ("kit pull", "oras", "crane", "skopeo", "python-dxf"), 1.2),
    Bar("capped", "one", "kitfast unpack", ("kit unpack", "kit pull", "oras"), 8.0),
    Bar("capped", "one", "kitfast unpack", ("aria2c", "hf_transfer"), 1.0),
    Bar("distant", "one", "kitfast unpack", ("curl", "kit pull", "kit unpack", "oras"), 4.0),
    Bar("gigabit", "one", "kitfast unpack", ("link",), 0.95),
    Bar("push to sink", "shards", "kitfast push", ("kit push", "oras cp"), 1.5),
    Bar("push to sink", "shards", "kitfast push DIRECTORY", ("kit pack + push",), 2.0),
)


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """What the rows of one link and model say of their bars, one line each, as Markdown."""
    most = next((row["mb_s"] for row in rows if row.get("ceiling") == ALL), None)
    told = [_line(bar, rows, most) for bar in BARS if _concerns(bar, rows)]
    return [line for line in told if line]


def _concerns(bar: Bar, rows: list[dict[str, Any]]) -> bool:
    return bool(rows) and (bar.link, bar.model) == (rows[0]["link"], rows[0]["model"])


def _line(bar: Bar, rows: list[dict[str, Any]], most: int | None) -> str | None:
    measured = [row for row in rows if "seconds" in row]
    ours = next((row for row in measured if row["peer"] == bar.ours), None)
    theirs = _fastest(bar, measured, rows)
    if ours is None or theirs is None:
        return None
    name, rate, cpu = theirs
    ratio = ours["mb_s"] / rate
    text = f"- {bar.ours}: {ratio:.2f} times {name}, the bar is {bar.least:g}: "
    text += "met" if ratio >= bar.least else "not met"
    if ratio < bar.least and most is not None:
        text += (
            f"; {most / rate:.2f} is the most here, and {bar.ours} has {ours['mb_s'] / most:.2f}"
        )
        text += " of that"
    if bar.cpu is not None and cpu:
        share = ours["cpu_s_per_gb"] / cpu
        text += f"; {share:.2f} of its CPU time, the bar is {bar.cpu:g}"
    return text


def _fastest(
    bar: Bar, measured: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> tuple[str, float, float] | None:
    """Name, MB/s and CPU s/GB of the fastest program a bar is set against."""
    if bar.theirs == ("link",):
        found = [
            ("the link", row["mb_s"], 0.0)
            for row in rows
            if row.get("ceiling", "").startswith("link and registry")
        ]
    else:
        found = [
            (row["peer"], row["mb_s"], row["cpu_s_per_gb"])
            for row in measured
            if row["peer"].split(" x")[0] in bar.theirs or row["peer"] in bar.theirs
        ]
    return max(found, key=lambda one: one[1], default=None)
