"""A child process that writes ranges into a landing, to be killed at any point.

Run as `python dying.py SINK FOLDER BLOB SHAPE SEED`; it ends with 0 once all is published,
and tells so by a file `BLOB.done` before it forgets what it published.
"""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

from kitfast._core import Landing, Store, Target


def open_landing(sink: str, folder: Path, blob: bytes, shape: str) -> tuple[Landing, Target | None]:
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    if sink == "store":
        return Landing.into_store(Store(folder), digest, len(blob), shape), None
    target = Target(folder)
    name = "weights" if shape == "whole" else None
    return Landing.into_target(target, digest, len(blob), shape, name), target


def main(sink: str, folder: str, blob_path: str, shape: str, seed: str) -> None:
    blob = Path(blob_path).read_bytes()
    chance = random.Random(seed)
    landing, target = open_landing(sink, Path(folder), blob, shape)
    if landing.warning is not None:
        print(landing.warning, file=sys.stderr)
        raise SystemExit(3)
    parts = [
        (at, min(at + 65_536, end))
        for start, end in landing.missing()
        for at in range(start, end, 65_536)
    ]
    chance.shuffle(parts)
    # The first and the last are in any order; journals are written between them.
    for start, end in parts:
        landing.write(start, blob[start:end])
        if chance.random() < 0.02:
            landing.keep()
            landing, target = open_landing(sink, Path(folder), blob, shape)
    landing.finish()
    Path(blob_path + ".done").touch()
    if target is not None:
        target.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
