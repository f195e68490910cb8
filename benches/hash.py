"""Hashing on one core: OpenSSL's one stream beside kitfast's lanes, in CPU time.

    python benches/hash.py [--size MiB] [--rounds N] [--core N]

Ratios are of CPU seconds per GB, taken in turns on one core, so that other work on the
machine disturbs them little. Files lie in memory (--folder, /dev/shm by default). The bar:
four buffers in lanes at 1.8 times the speed of OpenSSL's one stream. The lanes are criterion's
figures, on the same core right after; they need cargo.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import results

from kitfast import _core

BUFFER = 256 << 10
FILES = 4
BAR = 1.8
ROOT = Path(__file__).parents[1]
#: What criterion measures of kitfast: its folder, and how many streams at once.
KERNELS = {
    "kitfast, one stream, one buffer": ("one stream", 1),
    f"kitfast, {FILES} buffers in lanes": (f"lanes/{FILES}", FILES),
}
CRITERION = ["cargo", "bench", "--package", "kitfast-core", "--bench", "sha256"]


def one_stream(paths: list[Path]) -> list[str]:
    """Hashes one file after the other as fast as Python's own means allow."""
    buffer = bytearray(BUFFER)
    digests = []
    for path in paths:
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
        digests.append(f"sha256:{digest.hexdigest()}")
    return digests


def ceiling(size: int) -> list[str]:
    """Hashes as many bytes from one warm buffer: OpenSSL's one stream and nothing else."""
    block, digest = bytes(BUFFER), hashlib.sha256()
    for _ in range(size // BUFFER):
        digest.update(block)
    return []


def one_by_one(paths: list[Path]) -> list[str]:
    return [_core.sha256_file(path) for path in paths]


def kernels() -> dict[str, float]:
    """CPU seconds per GB of the core's kernels on warm buffers, as criterion finds them."""
    subprocess.run([*CRITERION, "--", "kernel"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found = {}
    for name, (folder, lanes) in KERNELS.items():
        path = ROOT / "target" / "criterion" / "kernel" / folder / "new" / "estimates.json"
        nanoseconds = json.loads(path.read_text())["median"]["point_estimate"]
        found[name] = nanoseconds / (lanes * BUFFER)
    return found


def measure(run: Callable[[], list[str]]) -> tuple[float, float, list[str]]:
    """Returns CPU seconds, wall seconds and the digests of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    digests = run()
    return time.process_time() - cpu, time.perf_counter() - wall, digests


def table(
    total: int, rounds: int, ways: dict[str, Callable[[], list[str]]]
) -> tuple[str, dict[str, list[tuple[float, float]]]]:
    """Runs the ways in turn; returns their table and the CPU and wall seconds of each run."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    seen = set()
    for _ in range(rounds):
        for name, way in ways.items():
            cpu, wall, digests = measure(way)
            times[name].append((cpu, wall))
            seen.update([tuple(digests)] if digests else [])
    assert len(seen) == 1, "every way must give the same digests"
    billion = total / 1e9
    medians = {name: statistics.median(cpu for cpu, _ in runs) for name, runs in times.items()}
    alone, reading, *_ = medians.values()
    lines = [
        "| way | CPU s/GB | GB/s of CPU | wall GB/s | to OpenSSL alone | to hashlib on files |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, runs in times.items():
        cpu = medians[name]
        wall = statistics.median(wall for _, wall in runs)
        lines.append(
            f"| {name} | {cpu / billion:.3f} | {billion / cpu:.2f} "
            f"| {billion / wall:.2f} | {alone / cpu:.2f} | {reading / cpu:.2f} |"
        )
    for name, cost in kernels().items():
        rate = f"{1 / cost:.2f}"
        ratio = alone / billion / cost
        lines.append(f"| {name} | {cost:.3f} | {rate} | {rate} | {ratio:.2f} | |")
    text = f"{ratio:.2f} times as fast as OpenSSL's one stream (the bar: {BAR})"
    return "\n".join([*lines, "", text]) + "\n", times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="MiB of each file")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    # Compiled while there are cores to do it.
    subprocess.run([*CRITERION, "--no-run"], cwd=ROOT, check=True)
    # Before the first hash: the pool starts as many threads as there are cores to use.
    os.sched_setaffinity(0, {options.core})
    size = options.size << 20
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        paths = [Path(folder) / str(index) for index in range(FILES)]
        for path in paths:
            path.write_bytes(os.urandom(size))
        ways: dict[str, Callable[[], list[str]]] = {
            "hashlib, one stream, one buffer": lambda: ceiling(size * FILES),
            f"hashlib, {FILES} files in turn": lambda: one_stream(paths),
            f"kitfast, {FILES} files in turn": lambda: one_by_one(paths),
            f"kitfast, {FILES} files in lanes": lambda: _core.sha256_files(paths),
        }
        body, rows = table(size * FILES, options.rounds, ways)
    asked = {
        "OpenSSL": ssl.OPENSSL_VERSION,
        "core": options.core,
        "MiB of each": options.size,
        "rounds": options.rounds,
    }
    results.write("hash", "Hashing on one core", asked, body, rows)


if __name__ == "__main__":
    main()
