"""Runs a bench's cases in turns, one program after another; writes the ratios."""

from __future__ import annotations

import argparse
import compileall
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "versus"))

import results
from measure import Cost, Failed, run
from peers import program

import kitfast

MIB = 1 << 20
#: What the project promises of memory, in bytes.
MEMORY = 200 * MIB
KITFAST = str(Path(sys.executable).with_name("kitfast"))


class Skipped(Exception):
    """Why a case cannot be run here."""


@dataclass(frozen=True)
class Way:
    """One program's way to do a case's work: `do` gets a folder that is not there before."""

    name: str
    do: Callable[[Path], Cost]


@dataclass(frozen=True)
class Case:
    """One row of the bar: the first way is kitfast's, `bars` what it is held to."""

    name: str
    title: str
    #: How many times as fast as which other way.
    bars: dict[str, float]
    size: int
    ways: list[Way]
    #: The store's size counts too: kitfast's must be the smaller.
    smaller: bool = False


@dataclass
class Taken:
    """What the rounds of one way took."""

    costs: list[Cost]
    stored: int = 0


Cases = Mapping[str, Callable[[Path, float], AbstractContextManager[Case]]]


def kit() -> str:
    """The path of kit.

    Raises:
        Skipped: it is not here.
    """
    found = program("kit")()
    if found is None:
        raise Skipped("kit is neither on PATH nor in KITFAST_PEERS")
    return found


def command(name: str, *words: str) -> Way:
    """A way that is one command, whatever the folder."""
    return Way(name, lambda _: run(words))


def measure(case: Case, folder: Path, rounds: int) -> dict[str, Taken]:
    """Runs the ways in turn; the first round is not counted."""
    taken = {way.name: Taken([]) for way in case.ways}
    for turn in range(rounds + 1):
        for way in case.ways:
            home = folder / "home"
            cost = way.do(home)
            if home.exists():
                files = (path.lstat() for path in home.rglob("*") if path.is_file())
                taken[way.name].stored = sum(file.st_size for file in files)
                shutil.rmtree(home)
            if turn:
                taken[way.name].costs.append(cost)
    return taken


def table(case: Case, taken: dict[str, Taken]) -> tuple[str, dict[str, object]]:
    """A case's lines of Markdown, and its row."""
    lines = [f"## {case.name}: {case.title}, {case.size // MIB} MiB", ""]
    lines += ["| way | s | MB/s | CPU s/GB | anonymous MiB | stored |", "|---|---|---|---|---|---|"]
    wall, cpu = {}, {}
    for name, found in taken.items():
        wall[name] = statistics.median(cost.wall for cost in found.costs)
        cpu[name] = statistics.median(cost.cpu for cost in found.costs)
        most = max(cost.anonymous for cost in found.costs) / MIB
        lines.append(
            f"| {name} | {wall[name]:.3f} | {case.size / wall[name] / 1e6:.0f} "
            f"| {cpu[name] / case.size * 1e9:.2f} | {most:.0f} | {found.stored} |"
        )
    ours = case.ways[0].name
    ratios = {}
    lines.append("")
    for name, bar in case.bars.items():
        ratio, work = wall[name] / wall[ours], cpu[ours] / cpu[name]
        ratios[name] = {"bar": bar, "ratio": round(ratio, 3), "cpu_ratio": round(work, 3)}
        text = f"{ratio:.2f} times as fast as {name} (the bar: {bar:g})"
        text += f", with {work:.2f} of its CPU seconds"
        if case.smaller:
            text += f", {taken[ours].stored / taken[name].stored:.2f} of its size"
        lines += [text, ""]
    row: dict[str, object] = {
        "case": case.name,
        "bytes": case.size,
        "bars": ratios,
        "ways": {
            name: {"stored": found.stored, "rounds": [asdict(cost) for cost in found.costs]}
            for name, found in taken.items()
        },
    }
    return "\n".join(lines), row


def _bench(name: str, cases: Cases, options: argparse.Namespace) -> tuple[str, dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="kitfast-bench-", dir=options.folder) as folder:
        try:
            with cases[name](Path(folder), options.scale) as case:
                return table(case, measure(case, Path(folder), options.rounds))
        except (Skipped, Failed) as why:
            return f"## {name}\n\nskipped: {why}\n", {"case": name, "skipped": str(why)}


def _memory(rows: list[dict[str, object]]) -> str:
    """The most anonymous memory any run of kitfast took."""
    most = 0
    for row in rows:
        ways = row.get("ways")
        if isinstance(ways, dict) and "kitfast" in ways:
            most = max([most, *(cost["anonymous"] for cost in ways["kitfast"]["rounds"])])
    return f"## memory\n\n{most // MIB} MiB anonymous at most (the bar: {MEMORY // MIB})\n"


def main(name: str, title: str, about: str, cases: Cases) -> None:
    """Measures the cases the command line asks for; speed never fails a run.

    Args:
        name: of the bench, as the result files have it.
        title: of the results.
        about: what `--help` says.
        cases: all there are.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=list(cases), help="repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes; 1 is 4 GiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm", help="where to work; RAM by default")
    options = parser.parse_args()
    # Stopped by a time limit, it must still unmount and remove what it has made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # As pip does when it installs: a checkout has no bytecode where writing it is turned off.
    compileall.compile_dir(Path(kitfast.__file__).parent, quiet=1)
    parts, rows = [], []
    for chosen in options.case or cases:
        part, row = _bench(chosen, cases, options)
        print(part, flush=True)
        parts.append(part)
        rows.append(row)
    parts.append(_memory(rows))
    asked = {"scale": options.scale, "rounds": options.rounds, "folder": options.folder}
    name += "-" + "-".join(options.case) if options.case else ""
    results.write(name, title, asked, "\n".join(parts), rows)
