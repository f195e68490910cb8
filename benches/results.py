"""Writes a bench's rows as dated files, with the machine they were taken on."""

from __future__ import annotations

import datetime
import json
import platform
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def machine() -> dict[str, object]:
    """What a reader must know of this machine to compare."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    load = Path("/proc/loadavg").read_text().split()[0]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(names),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": float(load),
    }


def write(name: str, title: str, options: dict[str, object], body: str, rows: object) -> None:
    """Prints a Markdown body, and writes it and its rows beside each other.

    Args:
        name: of the bench; files are `results/DATE-NAME.md` and `.json`.
        title: the first line.
        options: what the run was asked for.
        body: the tables.
        rows: everything measured, as JSON holds it.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    found = machine()
    about = (
        f"{found['cores']} cores of {found['cpu']}, Linux {found['kernel']}, load at the end "
        f"{found['load']}; " + ", ".join(f"{key} {value}" for key, value in options.items())
    )
    text = f"# {title}, {now:%Y-%m-%d}\n\n{about}\n\n{body}"
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{now:%Y-%m-%d}-{name}"
    document = {"date": now.isoformat(timespec="seconds"), "machine": found, **options}
    path.with_suffix(".md").write_text(text)
    path.with_suffix(".json").write_text(json.dumps({**document, "rows": rows}, indent=1) + "\n")
    print(text)
