"""Measures kitfast against its peers, alternating, medians of five.

`python benches/versus/run.py [--link NAME]… [--model one|shards|small]… [--rounds N]`
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
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import ceilings
import report
from links import LINKS, Link, Unavailable
from measure import Cost, Failed, run
from models import MODELS, Model, make
from peers import PEERS, REPOSITORY, Peer, Work

import kitfast

RESULTS = Path(__file__).parents[1] / "results"
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
            for link in arguments.link or LINKS
            for model in arguments.model or MODELS
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
    name = f"{document['date'][:10]}-versus{'-' + arguments.name if arguments.name else ''}"
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(report.table(document))
    report.plot(document, RESULTS / name)
    print(report.table(document))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", action="append", choices=list(LINKS))
    parser.add_argument("--model", action="append", choices=list(MODELS))
    parser.add_argument("--peer", action="append", help="only peers whose name contains this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the models, 1 is 4 GiB")
    parser.add_argument("--scratch", default="/dev/shm", help="where models and results live")
    parser.add_argument("--name", default="", help="a word for the result files' names")
    return parser.parse_args()


def _bench(
    scratch: Path, link_name: str, model: Model, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "registry").mkdir()
    try:
        with LINKS[link_name](folder) as link:
            return _measure(folder, link, model, arguments)
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
    peers = [peer for peer in PEERS if _wanted(peer, arguments.peer)]
    costs: dict[str, list[Cost]] = {}
    failures: dict[str, str] = {}
    for round_number in range(arguments.rounds):
        for peer in peers:
            path = peer.found()
            if path is None:
                failures[peer.name] = "not found"
            if peer.name in failures:
                continue
            into = folder / "into"
            into.mkdir()
            work = Work(link, model.name, layers, into)
            try:
                cost = run(peer.command(path or "", work), peer.env(work))
                costs.setdefault(peer.name, []).append(cost)
            except Failed as why:
                failures[peer.name] = str(why)
            finally:
                shutil.rmtree(into)
            state = failures.get(peer.name, "")[-300:] or f"{size / cost.wall / 1e6:.0f} MB/s"
            print(f"{link.name} {model.name} {round_number} {peer.name}: {state}", flush=True)
    rows = [_row(link, model, size, peer, costs.get(peer.name, []), failures) for peer in peers]
    rows += [
        {"link": link.name, "model": model.name, "ceiling": name, "mb_s": round(rate / 1e6)}
        for name, rate in ceilings.measure(folder, link).items()
    ]
    return rows


def _row(
    link: Link, model: Model, size: int, peer: Peer, costs: list[Cost], failures: dict[str, str]
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
        "anonymous_mib": round(max(cost.anonymous for cost in costs) / 2**20),
        "resident_mib": round(max(cost.resident for cost in costs) / 2**20),
        "written_per_byte": round(median(cost.written for cost in costs) / size, 2),
        "rounds": [asdict(cost) for cost in costs],
    }


def _wanted(peer: Peer, names: list[str] | None) -> bool:
    return not names or any(name in peer.name for name in names)


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
