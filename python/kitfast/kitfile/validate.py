"""What a Kitfile must not say, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kitfast.kitfile.model import Entry, EntryKind, Kitfile, ModelPart
from kitfast.kitfile.names import clean
from kitfast.kitfile.tree import invalid

# Where things stand: ("code", 1, "path") → the line.
Lines = dict[tuple["str | int", ...], int]

_PART_TYPE = re.compile(r"\w[\w.-]*", re.ASCII)
_MAX_PART_TYPE = 64
_LISTS: dict[EntryKind, tuple[str, ...]] = {
    "modelpart": ("model", "parts"),
    "code": ("code",),
    "dataset": ("datasets",),
    "docs": ("docs",),
    "prompt": ("prompts",),
}


def validate(kitfile: Kitfile, name: str = "Kitfile", lines: Lines | None = None) -> None:
    """Refuses a Kitfile that cannot be packed or that could not be unpacked again.

    Raises `InvalidKitfile` for absolute and escaping paths, two entries with one path in
    any spelling, and bad part types. `lines` tells where entries stand in the file.
    """
    lines = lines or {}
    seen: dict[str, str] = {}
    for label, at, entry in _entries(kitfile):
        line = lines.get((*at, "path"), lines.get(at))
        problem, hint = _problem(entry.path)
        if problem:
            raise invalid(name, line, f"{label}: {problem}", hint=hint)
        path = clean(entry.path)
        if path in seen:
            raise invalid(
                name,
                line,
                f"{label} and {seen[path]} have the same path {path!r}",
                hint="a file belongs to one entry: leave one of them out",
            )
        seen[path] = label
        if isinstance(entry, ModelPart):
            _check_type(entry, label, name, lines.get((*at, "type"), line))


def _entries(kitfile: Kitfile) -> Iterator[tuple[str, tuple[str | int, ...], Entry]]:
    numbers: dict[str, int] = {}
    for kind, entry in kitfile.entries():
        if kind == "model":
            yield "the model", ("model",), entry
            continue
        number = numbers.get(kind, 0)
        numbers[kind] = number + 1
        yield f"{kind} {number + 1}", (*_LISTS[kind], number), entry


def _problem(path: str) -> tuple[str, str | None]:
    inside = "paths are relative to the folder that is packed, and stay inside it"
    if "\0" in path or "\n" in path:
        return f"{path!r} is not a path", None
    if path.strip().startswith("/"):
        return f"the path {path!r} is absolute", inside
    if clean(path).split("/", 1)[0] == "..":
        return f"the path {path!r} leads out of the folder", inside
    return "", None


def _check_type(part: ModelPart, label: str, name: str, line: int | None) -> None:
    if not part.type:
        return
    if len(part.type.encode()) > _MAX_PART_TYPE or not _PART_TYPE.fullmatch(part.type):
        raise invalid(
            name,
            line,
            f"{label}: the type {part.type[:80]!r} is not allowed",
            hint=f"at most {_MAX_PART_TYPE} letters, digits, `_`, `.`, `-`, as in `lora-adapter`",
        )
