"""Makes a model of text: words as often as a language has them, in lines."""

from __future__ import annotations

import random
from pathlib import Path

MIB = 1 << 20
#: Different text, in MiB; it comes again only where no compressor here looks back so far.
POOL = 16
WORDS = 6000


def make(folder: Path, size: int) -> None:
    """Writes `corpus.txt` of `size` bytes and a Kitfile that makes it a dataset."""
    folder.mkdir(parents=True)
    pool = _pool(random.Random(4), min(size, POOL * MIB))
    with (folder / "corpus.txt").open("wb") as file:
        for at in range(0, size, len(pool)):
            file.write(pool[: size - at])
    (folder / "Kitfile").write_text(
        'manifestVersion: "1.0"\ndatasets:\n  - name: corpus\n    path: corpus.txt\n'
    )


def _pool(chance: random.Random, size: int) -> bytes:
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [100 // (rank + 2) + 1 for rank in range(len(letters))]
    words = [
        "".join(chance.choices(letters, weights, k=chance.randint(2, 11))) for _ in range(WORDS)
    ]
    # Zipf's law: the n-th word is used 1/n as often as the first.
    often = [1 / (rank + 1) for rank in range(WORDS)]
    parts: list[str] = []
    length = 0
    while length < size:
        line = " ".join(chance.choices(words, often, k=chance.randint(6, 18))) + ".\n"
        parts.append(line)
        length += len(line)
    return "".join(parts).encode()[:size]
