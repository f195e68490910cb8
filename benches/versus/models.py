"""Makes the models of the benches: one blob, eight shards, small files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Model:
    """`files` files of `size` bytes each, at scale 1; `layered`: each is a layer of its own."""

    name: str
    files: int
    size: int
    layered: bool = True


MODELS = {
    model.name: model
    for model in (
        Model("one", 1, 4096 * MIB),
        Model("shards", 8, 512 * MIB),
        Model("small", 2000, 64 * 1024, layered=False),
    )
}


def make(model: Model, folder: Path, scale: float = 1.0) -> None:
    """Writes the model and its Kitfile; every MiB of a file is different.

    The bytes are random, as weights nearly are: no compression and no two equal blocks.
    """
    folder.mkdir(parents=True)
    size = model.size if not model.layered else max(MIB, int(model.size * scale) // MIB * MIB)
    noise = bytearray(os.urandom(min(size, MIB)))
    lines = ['manifestVersion: "1.0"']
    if model.layered:
        lines += ["model:", "  path: shard-0.bin"]
        lines += ["  parts:"] if model.files > 1 else []
    else:
        lines += ["code:", "  - path: files"]
        (folder / "files").mkdir()
    for number in range(model.files):
        name = f"shard-{number}.bin" if model.layered else f"files/{number:05}.txt"
        if model.layered and number:
            lines.append(f"    - path: {name}")
        with (folder / name).open("wb") as file:
            for block in range(0, size, len(noise)):
                noise[:16] = number.to_bytes(8, "big") + block.to_bytes(8, "big")
                file.write(noise)
    (folder / "Kitfile").write_text("\n".join(lines) + "\n")
