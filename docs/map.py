"""Writes docs/map.md: every source file with its first line, which is its purpose."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs" / "map.md"
FOLDERS = ("rust", "python", "tests", "benches", "demo", "docs")
FILES = ("Makefile", ".ci/run")
HIDDEN = {"target", "data", "corpus", "artifacts", "__pycache__"}
# How the first line of each kind of file is marked as its purpose.
PURPOSE = {
    ".py": re.compile(r'[rR]?"""(.+?)(?:""")?$'),
    ".pyi": re.compile(r'[rR]?"""(.+?)(?:""")?$'),
    ".rs": re.compile(r"//! (.+)$"),
    ".sh": re.compile(r"# (.+)$"),
    ".md": re.compile(r"# (.+)$"),
    "": re.compile(r"# (.+)$"),
}
LONGEST = 80
HEAD = """# Map

Every file with its first line, which is its purpose. Written by `make docs`; do not edit.
"""


class NoPurpose(Exception):
    """A source file whose first line does not say what the file is for."""


def sources() -> Iterator[Path]:
    """Yields every file the map shows, folder by folder, in lexical order."""
    for name in FILES:
        if (ROOT / name).exists():
            yield ROOT / name
    for folder in FOLDERS:
        found = (path for path in (ROOT / folder).rglob("*.*") if path.suffix in PURPOSE)
        for path in sorted(found, key=lambda path: (path.parent, path.name)):
            inner = path.relative_to(ROOT).parts
            if path.is_file() and not HIDDEN.intersection(inner) and path != MAP:
                yield path


def purpose(path: Path) -> str:
    """Returns what a file's first line says it is for.

    Raises:
        NoPurpose: the line is missing, not one sentence, or longer than 80 characters.
    """
    lines = [line for line in path.read_text("utf-8").splitlines()[:2] if line[:2] != "#!"]
    match = PURPOSE[path.suffix].match(lines[0]) if lines else None
    where = path.relative_to(ROOT)
    if match is None:
        raise NoPurpose(f"{where}: the first line does not say what the file is for")
    text = match[1].strip()
    if len(text) > LONGEST:
        raise NoPurpose(f"{where}: the first line has {len(text)} characters, at most {LONGEST}")
    if path.suffix != ".md" and text[-1] not in ".:":
        raise NoPurpose(f"{where}: the first line is not a whole sentence")
    return text


def render() -> str:
    """Returns the map as Markdown, one section a folder.

    Raises:
        NoPurpose: as `purpose` does, but of all files, a line for each.
    """
    parts, troubles = [HEAD], []
    folder = None
    for path in sources():
        if path.parent != folder:
            folder = path.parent
            name = folder.relative_to(ROOT).as_posix()
            parts.append(f"\n## {'.' if name == '.' else name + '/'}\n\n")
        try:
            parts.append(f"- `{path.name}`: {purpose(path)}\n")
        except NoPurpose as trouble:
            troubles.append(str(trouble))
    if troubles:
        raise NoPurpose("\nerror: ".join(troubles))
    return "".join(parts)


def main() -> int:
    """Writes the map, or with `--check` compares it with what it ought to be."""
    try:
        text = render()
    except NoPurpose as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    if "--check" not in sys.argv:
        MAP.write_text(text, "utf-8")
        return 0
    if not MAP.exists() or MAP.read_text("utf-8") != text:
        print("error: docs/map.md is out of date\nhint: run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
