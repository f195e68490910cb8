"""Recorded trees and artifacts of kit, modctl and oras, laid out for tests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"


def grow(seed: str, size: int) -> bytes:
    """Returns `size` bytes that depend on `seed` alone: SHA-256 of `seed:0`, `seed:1`, …"""
    blocks = range(-(-size // 32))
    return b"".join(hashlib.sha256(f"{seed}:{n}".encode()).digest() for n in blocks)[:size]


@dataclass(frozen=True)
class Case:
    """A tree with a Kitfile, and what kit made of it."""

    name: str
    tree: list[dict[str, Any]]
    kit: dict[str, Any]
    flags: list[str]
    kitfile_at: str | None

    @property
    def refused(self) -> bool:
        """Whether kit refuses to pack it."""
        return bool(self.kit.get("refused"))

    @property
    def compression(self) -> str:
        """What is asked for with `--compression`."""
        return self.flags[1] if self.flags else "none"

    @property
    def config(self) -> bytes:
        """The config blob kit wrote."""
        return str(self.kit["config"]["json"]).encode()

    @property
    def kitfile_path(self) -> str:
        """Where in the tree the Kitfile lies."""
        names = (self.kitfile_at,) if self.kitfile_at else ("Kitfile", "kitfile", ".kitfile")
        return next(item["path"] for item in self.tree if item["path"] in names)

    @property
    def kitfile(self) -> bytes:
        """The Kitfile as its author wrote it."""
        found = next(item for item in self.tree if item["path"] == self.kitfile_path)
        return str(found["text"]).encode()

    def lay_out(self, folder: Path) -> Path:
        """Makes the tree in `folder` and returns it."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        modes: list[tuple[Path, int]] = []
        for item in self.tree:
            path = folder / item["path"]
            _make_parents(path, folder)
            if "link" in item:
                path.symlink_to(item["link"])
                continue
            if item["path"].endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(_content(item))
            modes.append((path, int(item.get("mode", "644"), 8)))
        # Last and deepest first, so that a folder without rights still takes its files.
        for path, mode in reversed(modes):
            path.chmod(mode)
        return folder


def _make_parents(path: Path, folder: Path) -> None:
    for parent in reversed(path.relative_to(folder).parents):
        if not (folder / parent).is_dir():
            (folder / parent).mkdir()
            (folder / parent).chmod(0o755)


def _content(item: dict[str, Any]) -> bytes:
    if "text" in item:
        return str(item["text"]).encode()
    return grow(item["seed"], item["size"])


def cases() -> list[Case]:
    """Returns all recorded cases."""
    found = json.loads((GOLDEN / "cases.json").read_text())
    return [
        Case(
            case["name"],
            case["tree"],
            case["kit"],
            case.get("flags", []),
            case.get("kitfile_at"),
        )
        for case in found
    ]


@dataclass(frozen=True)
class Artifact:
    """An OCI layout with one artifact in it."""

    name: str
    folder: Path

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        index = json.loads((self.folder / "index.json").read_text())
        return str(index["manifests"][0]["digest"])

    @property
    def manifest(self) -> bytes:
        """The exact bytes of its manifest."""
        return self.blob(self.digest)

    def blob(self, digest: str) -> bytes:
        """The bytes of one blob of it."""
        return (self.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def artifacts() -> list[Artifact]:
    """Returns all recorded artifacts."""
    layouts = sorted((GOLDEN / "artifacts").glob("*/index.json"))
    return [Artifact(layout.parent.name, layout.parent) for layout in layouts]
