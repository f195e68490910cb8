"""Tables and plots of bench results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bars

UNITS = ("MB/s", "CPU s/GB", "anonymous MiB", "written/byte")


def table(document: dict[str, Any]) -> str:
    """The results as Markdown: a table for each link and model, fastest first."""
    machine = document["machine"]
    lines = [
        f"# kitfast against its peers, {document['date'][:10]}",
        "",
        (
            f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, "
            f"medians of {document['rounds']} alternating rounds. "
            "Registry, client and disk share the cores: with all else is the CPU time of all "
            "that ran meanwhile, and where the cores are busy no program is faster at that cost."
        ),
    ]
    for link, model in dict.fromkeys((row["link"], row["model"]) for row in document["results"]):
        rows = [row for row in document["results"] if (row["link"], row["model"]) == (link, model)]
        lines += ["", f"## {link}, {model}", ""]
        lines += _table(rows)
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    measured = sorted((row for row in rows if "seconds" in row), key=lambda row: -row["mb_s"])
    lines = []
    if measured:
        lines += [
            (
                "| program | verifies | s | MB/s | CPU s/GB | with all else | cores busy "
                "| anonymous MiB | written per byte |"
            ),
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for row in measured:
            lines.append(
                f"| {row['peer']} | {'yes' if row['verifies'] else 'no'} | {row['seconds']:.2f} "
                f"| {row['mb_s']} | {row['cpu_s_per_gb']} | {row['machine_cpu_s_per_gb']} "
                f"| {row['cores_busy']} | {row['anonymous_mib']} | {row['written_per_byte']} |"
            )
    for row in rows:
        if "ceiling" in row:
            cost = row.get("machine_cpu_s_per_gb")
            spent = f", {cost} CPU s/GB with all else" if cost else ""
            lines.append(f"\nceiling: {row['ceiling']}: {row['mb_s']} MB/s{spent}")
        elif "skipped" in row:
            lines.append(f"\nskipped: {row.get('peer', 'all')}: {row['skipped'].splitlines()[-1]}")
    told = bars.lines(rows)
    return [*lines, "", *told] if told else lines


def plot(document: dict[str, Any], path: Path) -> None:
    """Bars of MB/s, one panel for each link and model, as PNG and SVG."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    keys = list(
        dict.fromkeys((r["link"], r["model"]) for r in document["results"] if "seconds" in r)
    )
    if not keys:
        return
    figure, axes = pyplot.subplots(
        len(keys), 1, figsize=(9, 0.6 + 3.2 * len(keys)), squeeze=False, layout="constrained"
    )
    for axis, (link, model) in zip(axes[:, 0], keys, strict=True):
        rows = sorted(
            (
                row
                for row in document["results"]
                if "seconds" in row and (row["link"], row["model"]) == (link, model)
            ),
            key=lambda row: row["mb_s"],
        )
        names = [row["peer"] + ("" if row["verifies"] else " (does not verify)") for row in rows]
        colors = ["#c2410c" if "kitfast" in name else "#94a3b8" for name in names]
        bars = axis.barh(names, [row["mb_s"] for row in rows], color=colors)
        axis.bar_label(bars, padding=3)
        axis.set_title(f"{link}, {model}: MB/s")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.12)
    figure.suptitle(f"kitfast against its peers, {document['date'][:10]}")
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=120)
