"""Makes folders to pack, easy and awkward, and compares what comes back."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

AWKWARD_KITFILE = """\
manifestVersion: "1.0"
package:
  name: awkward
  version: 1.0.0
  authors: [kitfast]
model:
  name: awkward
  path: weights
  parts:
    - path: part.safetensors
code:
  - path: many
datasets:
  - name: names
    path: names
docs:
  - path: README.md
"""
MODEL_KITFILE = """\
manifestVersion: "1.0"
package:
  name: shards
model:
  name: shards
  path: shards
docs:
  - path: README.md
"""


def write(path: Path, data: bytes) -> None:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def noise(size: int, seed: int) -> bytes:
    """`size` bytes that do not compress; the same seed gives the same bytes."""
    return random.Random(seed).randbytes(size)


def awkward(folder: Path) -> Path:
    """Writes a folder of everything that tars and registries have stumbled over."""
    write(folder / "Kitfile", AWKWARD_KITFILE.encode())
    write(folder / "README.md", "# Müll ✓\n".encode())
    write(folder / "part.safetensors", noise(3 << 20, 1))
    for size in (0, 1, 511, 512, 513, 32 << 10, (32 << 10) + 1, 1 << 20):
        write(folder / "weights" / f"size-{size}", noise(size, size))
    sparse(folder / "weights" / "sparse", 48 << 20)
    for number in range(2000):
        write(folder / "many" / f"{number % 40:02}" / f"{number}.txt", b"%d\n" % number)
    names = folder / "names"
    write(names / "empty", b"")
    (names / "folder with nothing").mkdir()
    (names / "deep" / "a" / "b" / "c").mkdir(parents=True)
    write(names / "ünïcödé 模型 🚀" / "naïve\tname", b"u")
    write(names / "decomposed-e\u0301" / "composed-\u00e9", b"e")
    write(names / ("h" * 101), b"just over what a header holds")
    write(names / ("p" * 60) / ("q" * 60) / ("r" * 60), b"a name that fits by its prefix")
    write(names.joinpath(*["s" * 100] * 3, "t" * 255), b"far over 255 characters")
    write(names / "executable", b"#!/bin/sh\n")
    (names / "executable").chmod(0o755)
    (names / "private").mkdir(mode=0o700)
    write(names / "private" / "read-only", b"r")
    (names / "private" / "read-only").chmod(0o444)
    return folder


def shards(folder: Path, count: int, size: int) -> Path:
    """Writes a model of `count` shards of `size` bytes that do not compress."""
    write(folder / "Kitfile", MODEL_KITFILE.encode())
    write(folder / "README.md", b"# Shards\n")
    piece = noise(1 << 20, count)
    for number in range(count):
        path = folder / "shards" / f"model-{number:05}.safetensors"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            for offset in range(0, size, len(piece)):
                # Every piece differs, so a piece at a wrong place is found.
                head = b"%d:%d;" % (number, offset)
                file.write((head + piece[len(head) :])[: size - offset])
    return folder


def sparse(path: Path, size: int) -> None:
    """Writes a file of `size` bytes that takes nearly no room, with bytes at both ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"head")
        file.seek(size - 4)
        file.write(b"tail")


def tree(folder: Path) -> dict[str, str]:
    """Everything below a folder but its Kitfile: name → mode and SHA-256, or `folder`."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = os.fsdecode(path.relative_to(folder))
        if name == "Kitfile":
            continue
        mode = f"{path.lstat().st_mode & 0o7777:o}"
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_dir():
            found[name] = f"{mode} folder"
        else:
            found[name] = f"{mode} {sha256(path)}"
    return found


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def scrambled_copy(source: Path, target: Path) -> Path:
    """Copies a folder with its entries made in another order and with other times."""
    paths = sorted(source.rglob("*"), reverse=True)
    random.Random(7).shuffle(paths)
    for path in paths:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, copy)
    for number, path in enumerate(sorted(paths, reverse=True)):
        copy = target / path.relative_to(source)
        copy.chmod(path.stat().st_mode & 0o7777)
        os.utime(copy, (number * 1000, 1_000_000_000 + number))
    return target


def snapshot(folder: Path) -> dict[str, tuple[int, ...]]:
    """All there is in a folder, what it takes of the disk, and when it was changed."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        stat = path.stat()
        times = (stat.st_mtime_ns, stat.st_ctime_ns)
        found[str(path)] = (stat.st_ino, stat.st_mode, stat.st_size, stat.st_blocks, *times)
    return found
