"""Measures packing N files into a fresh store, beside kit where it is found.

    python benches/pack.py --files 8 --size 256 --rounds 5

Prints the median MB/s, CPU seconds per GB and the peak memory of each program. All work
in one folder (/dev/shm by default), each round into a new store, programs alternating.
A file system that hands out fresh memory slows the first rounds: they do not count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

KITFAST = """
import sys
from pathlib import Path
from kitfast._core import LayerSource, Store
home, folder, layout = sys.argv[1:]
files = [(path.name, str(path), 0o644) for path in sorted(Path(folder).glob("*.bin"))]
layers = [[file] for file in files] if layout == "layers" else [files]
Store(home).pack([LayerSource(layer) for layer in layers], cache=False)
"""


@dataclass(frozen=True)
class Run:
    """What one run of a program took."""

    seconds: float
    cpu: float
    peak: int


def measure(command: list[str], folder: Path) -> Run:
    """Runs a command to its end and reads its usage from the system."""
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    if status != 0:
        raise SystemExit(f"{command[0]} failed with status {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def find_kit() -> str | None:
    """kit on PATH or in the folders of KITFAST_PEERS."""
    peers = os.environ.get("KITFAST_PEERS", "")
    return shutil.which("kit", path=os.pathsep.join([peers, os.environ.get("PATH", "")]))


def make_files(folder: Path, count: int, size: int) -> None:
    """Files of random bytes, and a Kitfile that makes each a layer of its own."""
    lines = ['manifestVersion: "1.0"', "model:", "  path: 0.bin"]
    lines += ["  parts:"] if count > 1 else []
    for n in range(count):
        with (folder / f"{n}.bin").open("wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
        if n:
            lines.append(f"    - path: {n}.bin")
    (folder / "Kitfile").write_text("\n".join(lines) + "\n")


def programs(source: Path, layout: str) -> dict[str, Callable[[Path], list[str]]]:
    """The command of each program, given its store."""
    found: dict[str, Callable[[Path], list[str]]] = {
        "kitfast": lambda home: [sys.executable, "-c", KITFAST, str(home), str(source), layout]
    }
    kit = find_kit()
    if kit is None:
        print("kit: skipped, neither on PATH nor in KITFAST_PEERS")
    elif layout != "layers":
        print("kit: skipped, it has no way to name these files as one layer here")
    else:
        found["kit"] = lambda home: [
            *(kit, "--config", str(home), "--progress", "none"),
            *("pack", str(source), "-t", "localhost/bench:1"),
        ]
    return found


def main() -> None:
    """Measures and prints one line for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--size", type=int, default=256, help="of each file, in MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layout", choices=["layers", "one-layer"], default="layers")
    parser.add_argument("--folder", default="/dev/shm")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kitfast-bench-", dir=options.folder) as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        make_files(source, options.files, options.size * MIB)
        commands = programs(source, options.layout)
        runs: dict[str, list[Run]] = {program: [] for program in commands}
        for turn in range(options.rounds + 1):
            for program, command in commands.items():
                home = folder / "home"
                run = measure(command(home), folder)
                shutil.rmtree(home)
                if turn:
                    runs[program].append(run)
    report(runs, options.files * options.size * MIB)


def report(runs: dict[str, list[Run]], size: int) -> None:
    """Prints medians."""
    print(f"{'program':10} {'MB/s':>6} {'CPU s/GB':>9} {'peak MiB':>9}")
    for program, taken in runs.items():
        speed = size / 1e6 / statistics.median(run.seconds for run in taken)
        cpu = statistics.median(run.cpu for run in taken) / (size / 1e9)
        peak = max(run.peak for run in taken) / MIB
        print(f"{program:10} {speed:6.0f} {cpu:9.2f} {peak:9.0f}")


if __name__ == "__main__":
    main()
