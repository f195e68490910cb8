"""Measures kitfast against its peers, alternating, medians of five.

`python benches/versus/run.py [--work pull|push] [--link NAME]… [--model NAME]… [--rounds N]`
writes a dated JSON file, a table and plots to `benches/results/`. Speed never fails a
run; a peer that fails is reported with what it printed.
"""

from __future__ import annotations

import argparse
import compileall
import datetime
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))

import ceilings
import pushes
import report
from links import LINKS, PUSH_LINKS, Link, Unavailable
from measure import Cost, Failed, run
from models import MODELS, Model, make
from peers import PEERS, REPOSITORY, Peer, Work
from pushes import PUSHERS, Pusher

import kitfast

RESULTS = Path(__file__).parents[1] / "results"
WORKS = {"pull": LINKS, "push": PUSH_LINKS}
KITFAST = str(Path(sys.executable).with_name("kitfast"))


def main() -> None:
    """Runs what the arguments name and writes the results."""
    arguments = _arguments()
    # As pip does when it installs: a checkout has no bytecode where writing it is turned off.
    compileall.compile_dir(Path(kitfast.__file__).parent, quiet=1)
    scratch = Path(tempfile.mkdtemp(prefix="kitfast-versus-", dir=arguments.scratch))
    try:
        results = [
            result
            for link in arguments.link or WORKS[arguments.work]
            for model in arguments.model or MODELS
            if arguments.work == "pull" or pushes.does(MODELS[model])
            for result in _bench(scratch, link, MODELS[model], arguments)
        ]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    document = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": _machine(),
        "rounds": arguments.rounds,
        "results": results,
    }
    RESULTS.mkdir(exist_ok=True)
    words = [word for word in (arguments.work.removeprefix("pull"), arguments.name) if word]
    name = "-".join([document["date"][:10], "versus", *words])
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(report.table(document))
    report.plot(document, RESULTS / name)
    print(report.table(document))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", choices=list(WORKS), default="pull")
    parser.add_argument("--link", action="append", choices=list({**LINKS, **PUSH_LINKS}))
    parser.add_argument("--model", action="append", choices=list(MODELS))
    parser.add_argument("--peer", action="append", help="only peers whose name contains this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the models, 1 is 4 GiB")
    parser.add_argument("--scratch", default="/dev/shm", help="where models and results live")
    parser.add_argument("--name", default="", help="a word for the result files' names")
    arguments = parser.parse_args()
    for link in arguments.link or ():
        if link not in WORKS[arguments.work]:
            parser.error(f"{link} is no link to {arguments.work} over")
    return arguments


def _bench(
    scratch: Path, link_name: str, model: Model, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "registry").mkdir()
    try:
        with WORKS[arguments.work][link_name](folder) as link:
            measure = _measure if arguments.work == "pull" else _measure_pushes
            return measure(folder, link, model, arguments)
    except Unavailable as why:
        print(f"skipped: {link_name}: {why}", flush=True)
        return [{"link": link_name, "model": model.name, "skipped": str(why)}]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(
    folder: Path, link: Link, model: Model, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    layers = _publish(folder, link, model, arguments.scale)
    size = sum(size for _, size in layers)
    peers = [
        peer
        for peer in PEERS
        if _wanted(peer.name, arguments.peer) and len(layers) >= peer.least_layers
    ]

    def attempt(peer: Peer, path: str, into: Path) -> Cost:
        into.mkdir()
        work = Work(link, model.name, layers, into)
        try:
            if peer.overwrites:
                run(peer.command(path, work), peer.env(work))
            return run(peer.command(path, work), peer.env(work))
        finally:
            shutil.rmtree(into)

    costs, failures = _rounds(peers, f"{link.name} {model.name}", folder, size, arguments, attempt)
    rows = [_row(link, model, size, peer, costs.get(peer.name, []), failures) for peer in peers]
    most = ceilings.measure(folder, Work(link, model.name, layers, folder))
    return rows + _ceilings(link, model, most)


def _measure_pushes(
    folder: Path, link: Link, model: Model, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    source, stored = folder / "model", folder / "stored"
    make(model, source, arguments.scale)
    size = pushes.size(source)
    pushers = [pusher for pusher in PUSHERS if _wanted(pusher.name, arguments.peer)]
    for pusher in pushers:
        pushes.ready(pusher, link, source, stored)

    def attempt(pusher: Pusher, path: str, into: Path) -> Cost:
        return pushes.attempt(pusher, path, link, source, stored, into)

    what = f"push to {link.name} {model.name}"
    costs, failures = _rounds(pushers, what, folder, size, arguments, attempt)
    most = ceilings.pushing(link, [path for path in source.iterdir() if path.name != "Kitfile"])
    link = replace(link, name=f"push to {link.name}")
    rows = [_row(link, model, size, one, costs.get(one.name, []), failures) for one in pushers]
    return rows + _ceilings(link, model, most)


def _ceilings(link: Link, model: Model, found: list[ceilings.Most]) -> list[dict[str, object]]:
    return [
        {
            "link": link.name,
            "model": model.name,
            "ceiling": most.name,
            "mb_s": round(most.rate / 1e6),
            "machine_cpu_s_per_gb": round(most.cost * 1e9, 2),
        }
        for most in found
    ]


AnyPeer = TypeVar("AnyPeer", Peer, Pusher)


def _rounds(
    peers: Sequence[AnyPeer],
    what: str,
    folder: Path,
    size: int,
    arguments: argparse.Namespace,
    attempt: Callable[[AnyPeer, str, Path], Cost],
) -> tuple[dict[str, list[Cost]], dict[str, str]]:
    """Lets every peer have its turn in every round; returns costs and failures by name."""
    costs: dict[str, list[Cost]] = {}
    failures: dict[str, str] = {}
    for number in range(arguments.rounds):
        for index, peer in enumerate(peers):
            path = peer.found()
            if path is None:
                failures[peer.name] = "not found"
            if path is None or peer.name in failures:
                continue
            try:
                cost = attempt(peer, path, folder / f"into-{number}-{index}")
                costs.setdefault(peer.name, []).append(cost)
            except Failed as why:
                failures[peer.name] = str(why)
            state = failures.get(peer.name, "")[-300:] or f"{size / cost.wall / 1e6:.0f} MB/s"
            print(f"{what} {number} {peer.name}: {state}", flush=True)
    return costs, failures


def _row(
    link: Link,
    model: Model,
    size: int,
    peer: Peer | Pusher,
    costs: list[Cost],
    failures: dict[str, str],
) -> dict[str, object]:
    row: dict[str, object] = {
        "link": link.name,
        "model": model.name,
        "bytes": size,
        "peer": peer.name,
        "verifies": peer.verifies,
    }
    if not costs:
        return {**row, "skipped": failures.get(peer.name, "no round")[-500:]}
    median = statistics.median
    return {
        **row,
        "seconds": round(median(cost.wall for cost in costs), 3),
        "mb_s": round(size / median(cost.wall for cost in costs) / 1e6),
        "cpu_s_per_gb": round(median(cost.cpu for cost in costs) / size * 1e9, 2),
        "machine_cpu_s_per_gb": round(median(cost.machine for cost in costs) / size * 1e9, 2),
        "cores_busy": round(median(cost.machine / cost.wall for cost in costs), 2),
        "anonymous_mib": round(max(cost.anonymous for cost in costs) / 2**20),
        "resident_mib": round(max(cost.resident for cost in costs) / 2**20),
        "written_per_byte": round(median(cost.written for cost in costs) / size, 2),
        "rounds": [asdict(cost) for cost in costs],
    }


def _wanted(peer: str, names: list[str] | None) -> bool:
    return not names or any(name in peer for name in names)


def _publish(folder: Path, link: Link, model: Model, scale: float) -> tuple[tuple[str, int], ...]:
    """Packs and pushes the model; returns its layers."""
    source, home = folder / "model", folder / "home"
    make(model, source, scale)
    reference = f"{link.host}/{REPOSITORY}:{model.name}"
    flags = ["--plain-http"] if link.plain_http else ["--tls-cert", str(link.authority)]
    for words in (
        ["pack", str(source), "-t", reference],
        ["push", reference, *flags],
    ):
        command = [KITFAST, *words, "--config", str(home), "--progress", "none"]
        subprocess.run(command, check=True, capture_output=True)
    inspected = subprocess.run(
        [KITFAST, "inspect", reference, "--config", str(home)], check=True, capture_output=True
    )
    layers = json.loads(inspected.stdout)["manifest"]["layers"]
    shutil.rmtree(home)
    shutil.rmtree(source)
    return tuple((layer["digest"], layer["size"]) for layer in layers)


def _machine() -> dict[str, object]:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(names),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
