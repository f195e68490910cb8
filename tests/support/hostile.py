"""Builds tars no honest writer makes, and unpacks a blob through every door."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import zstandard

from kitfast._core import Landing, Store, Target

END = bytes(1024)


def block(
    name: bytes,
    *,
    size: int | bytes = 0,
    flag: bytes = b"0",
    mode: int = 0o644,
    link: bytes = b"",
    prefix: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """One header block; `size` as bytes is put into the field as it is."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    head = b"%s%07o\0%07o\0%07o\0%s%011o\0" % (name.ljust(100, b"\0"), mode, 0, 0, field, 0)
    tail = flag + link.ljust(100, b"\0") + b"ustar\x0000".ljust(88, b"\0")
    tail += prefix.ljust(155, b"\0")
    whole = (head + b" " * 8 + tail).ljust(512, b"\0")
    stated = sum(whole) if checksum is None else checksum
    return whole[:148] + b"%06o\0 " % stated + whole[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: bytes, data: bytes = b"", *, flag: bytes = b"0", mode: int = 0o644) -> bytes:
    """A header and its body."""
    return block(name, size=len(data), flag=flag, mode=mode) + padded(data)


def pax(*records: tuple[str, str], flag: bytes = b"x") -> bytes:
    """A PAX header for the member that follows (`flag` g: for all that follow)."""
    lines = b""
    for key, value in records:
        text = f" {key}={value}\n".encode()
        length = len(text) + len(str(len(text)))
        length = len(text) + len(str(length))
        lines += str(length).encode() + text
    return member(b"pax", lines, flag=flag)


def digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def land(root: Path, blob: bytes, shape: str = "tar", *, claimed: str | None = None) -> None:
    """Unpacks as from a registry: in pieces, the last ones first."""
    target = Target(root)
    landing = Landing.into_target(target, claimed or digest(blob), len(blob), shape)
    half = len(blob) // 2
    try:
        landing.write(half, blob[half:])
        landing.write(0, blob[:half])
        landing.finish()
    finally:
        landing.discard()
        target.finish()


def land_gzip(root: Path, blob: bytes) -> None:
    land(root, gzip.compress(blob), "tar+gzip")


def land_zstd(root: Path, blob: bytes) -> None:
    land(root, zstandard.compress(blob), "tar+zstd")


def from_store(root: Path, blob: bytes) -> None:
    """Unpacks a blob the store holds: the store itself takes any bytes."""
    store = Store(root.parent / "store")
    landing = Landing.into_store(store, digest(blob), len(blob), "tar")
    landing.write(0, blob)
    landing.finish()
    target = Target(root)
    try:
        store.unpack(digest(blob), "tar", target)
    finally:
        target.finish()


Door = Callable[[Path, bytes], None]
DOORS: list[Door] = [land, land_gzip, land_zstd, from_store]


def entries(root: Path) -> list[str]:
    """Everything below `root`, staging folders included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
