"""Packing and verifying: kitfast beside kit and the limits of the machine.

    python benches/pack.py [--case NAME]… [--scale 0.25] [--rounds 5] [--folder DIR]

Cases: reflink, shards, one, again, zstd, verify. Every round takes each program in turn,
into a store of its own; the first round only warms up. Ratios are of medians, of wall time
and of CPU seconds beside it: the second is worth something on a busy machine too. kit is
looked for on PATH and in $KITFAST_PEERS.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "versus"))

import loop
import results
import text
from measure import Cost, Failed, run
from models import MODELS, make
from peers import program

MIB = 1 << 20
#: What the project promises of memory, in bytes.
MEMORY = 200 * MIB
KITFAST = str(Path(sys.executable).with_name("kitfast"))
HASH = "import sys; from kitfast import _core; _core.sha256_files(sys.argv[1:])"


class Skipped(Exception):
    """Why a case cannot be run here."""


@dataclass(frozen=True)
class Way:
    """One program's way to do a case's work: `do` gets a folder that is empty before."""

    name: str
    do: Callable[[Path], Cost]


@dataclass(frozen=True)
class Case:
    """One row of the bar: the first way is kitfast's, `against` the one it is held to."""

    name: str
    title: str
    bar: float
    size: int
    ways: list[Way]
    against: str
    #: The store's size counts too: kitfast's must be the smaller.
    smaller: bool = False


@dataclass
class Taken:
    """What the rounds of one way took."""

    costs: list[Cost]
    stored: int = 0


def pack_kitfast(source: Path, *flags: str) -> Way:
    words = (KITFAST, "pack", str(source), "--no-cache", "--progress", "none", *flags)
    return Way("kitfast", lambda home: run([*words, "--config", str(home)]))


def pack_kit(source: Path, *flags: str) -> Way:
    kit = program("kit")()
    if kit is None:
        raise Skipped("kit is neither on PATH nor in KITFAST_PEERS")
    words = (kit, "pack", str(source), "-t", "localhost/bench:1", "--progress", "none", *flags)
    return Way("kit", lambda home: run([*words, "--config", str(home)]))


def hash_ceiling(source: Path) -> Way:
    """All cores hash the same files, and do nothing else with them."""
    paths = sorted(str(path) for path in source.glob("*.bin"))
    return Way("hashing alone", lambda _: run([sys.executable, "-c", HASH, *paths]))


def in_process(work: Callable[[], object]) -> Cost:
    """Counts a call in this process: no start of Python in it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, 0, 0, 0, 0)


@contextmanager
def reflink(folder: Path, scale: float) -> Iterator[Case]:
    size = 8 * max(MIB, int(512 * scale) * MIB)
    try:
        with loop.mounted(folder, size + size // 8 + 300 * MIB) as disk:
            source = disk / "model"
            make(MODELS["shards"], source, scale)
            fast = pack_kitfast(source)
            there = Way("kitfast", lambda _: _on_disk(disk, fast))
            title = "pack, eight shards, nothing to copy (reflink on XFS)"
            ways = [there, hash_ceiling(source)]
            yield Case("reflink", title, 0.85, size, ways, "hashing alone")
    except loop.NoLoop as why:
        raise Skipped(str(why)) from None


def _on_disk(disk: Path, way: Way) -> Cost:
    """A clone stays on its file system, so the store must be there too."""
    home = disk / "home"
    try:
        return way.do(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def shards(folder: Path, scale: float) -> Iterator[Case]:
    yield _copying("shards", "pack, eight shards, copying", 3.0, folder, scale)


@contextmanager
def one(folder: Path, scale: float) -> Iterator[Case]:
    yield _copying("one", "pack, one file, copying", 1.3, folder, scale)


def _copying(name: str, title: str, bar: float, folder: Path, scale: float) -> Case:
    source = folder / "model"
    make(MODELS[name], source, scale)
    size = sum(path.stat().st_size for path in source.glob("*.bin"))
    return Case(name, title, bar, size, [pack_kitfast(source), pack_kit(source)], "kit")


@contextmanager
def again(folder: Path, scale: float) -> Iterator[Case]:
    import kitfast

    source, home = folder / "model", folder / "store"
    make(MODELS["shards"], source, scale)
    size = sum(path.stat().st_size for path in source.glob("*.bin"))
    # A file as young as the clock is coarse may change unseen: it is not remembered.
    time.sleep(3)
    kitfast.pack(source, home=home)
    ways = [
        Way("nothing changed", lambda _: in_process(lambda: kitfast.pack(source, home=home))),
        Way("the first time", lambda new: in_process(lambda: kitfast.pack(source, home=new))),
    ]
    yield Case("again", "pack again, nothing changed", 100, size, ways, "the first time")


@contextmanager
def zstd(folder: Path, scale: float) -> Iterator[Case]:
    source, size = folder / "model", max(MIB, int(2048 * scale) * MIB)
    text.make(source, size)
    ways = [
        pack_kitfast(source, "--compression", "zstd"),
        pack_kit(source, "--compression", "gzip-fastest"),
    ]
    title = "pack --compression zstd of text, against kit's gzip-fastest"
    yield Case("zstd", title, 4.0, size, ways, "kit", smaller=True)


@contextmanager
def verify(folder: Path, scale: float) -> Iterator[Case]:
    source, home = folder / "model", folder / "store"
    make(MODELS["shards"], source, scale)
    files = sorted(source.glob("*.bin"))
    pack_kitfast(source).do(home)
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Skipped("openssl is not on PATH")
    words = [KITFAST, "cache", "verify", "--progress", "none", "--config", str(home)]
    hashing = [openssl, "dgst", "-sha256", *map(str, files)]
    ways = [Way("kitfast", lambda _: run(words)), Way("openssl", lambda _: run(hashing))]
    size = sum(path.stat().st_size for path in files)
    yield Case("verify", "verify a store of eight layers", 2.5, size, ways, "openssl")


CASES = {case.__name__: case for case in (reflink, shards, one, again, zstd, verify)}


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
    ratio, work = wall[case.against] / wall[ours], cpu[case.against] / cpu[ours]
    lines += ["", f"{ratio:.2f} times as fast as {case.against} (the bar: {case.bar:g})"]
    lines[-1] += f", with {1 / work:.2f} of its CPU seconds"
    if case.smaller:
        share = taken[ours].stored / taken[case.against].stored
        lines[-1] += f", {share:.2f} of its size"
    row: dict[str, object] = {
        "case": case.name,
        "bytes": case.size,
        "bar": case.bar,
        "ratio": round(ratio, 3),
        "cpu_ratio": round(work, 3),
        "ways": {
            name: {"stored": found.stored, "rounds": [asdict(cost) for cost in found.costs]}
            for name, found in taken.items()
        },
    }
    return "\n".join(lines) + "\n", row


def bench(name: str, options: argparse.Namespace) -> tuple[str, dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="kitfast-bench-", dir=options.folder) as folder:
        try:
            with CASES[name](Path(folder), options.scale) as case:
                return table(case, measure(case, Path(folder), options.rounds))
        except (Skipped, Failed) as why:
            return f"## {name}\n\nskipped: {why}\n", {"case": name, "skipped": str(why)}


def memory(rows: list[dict[str, object]]) -> str:
    """The most anonymous memory any run of kitfast took."""
    most = 0
    for row in rows:
        ways = row.get("ways")
        if isinstance(ways, dict) and "kitfast" in ways:
            most = max([most, *(cost["anonymous"] for cost in ways["kitfast"]["rounds"])])
    return f"## memory\n\n{most // MIB} MiB anonymous at most (the bar: {MEMORY // MIB})\n"


def main() -> None:
    """Measures what is asked for; speed never fails a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=list(CASES), help="repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes; 1 is 4 GiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/dev/shm", help="where to work; RAM by default")
    options = parser.parse_args()
    # Stopped by a time limit, it must still unmount and remove what it has made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts, rows = [], []
    for name in options.case or CASES:
        part, row = bench(name, options)
        print(part, flush=True)
        parts.append(part)
        rows.append(row)
    parts.append(memory(rows))
    asked = {"scale": options.scale, "rounds": options.rounds, "folder": options.folder}
    name = "pack" + ("-" + "-".join(options.case) if options.case else "")
    results.write(name, "Packing and verifying", asked, "\n".join(parts), rows)


if __name__ == "__main__":
    main()
