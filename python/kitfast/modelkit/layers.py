"""Plans a pack: which files of a folder become which layer, in kit's order.

The walk is kit's, because the names, modes and order of members decide a layer's digest.
Where kit loses files without a word, this is an error or a warning.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kitfast.errors import FileError, InvalidKitfile, KitfastError, NotFound
from kitfast.kitfile import ignore as ignores
from kitfast.kitfile.ignore import IGNORE_NAME, Ignore
from kitfast.kitfile.model import Entry, EntryKind, Kitfile
from kitfast.kitfile.names import clean
from kitfast.modelkit.walk import Found, Walk

# (name in the tar, source file or None for a folder, mode): what the core packs.
Member = tuple[str, "str | None", int]


@dataclass(frozen=True)
class Skipped:
    """Something under an entry that is not packed, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class PlannedLayer:
    """One layer to be: an entry of the Kitfile and its members in the tar's order.

    `size` counts the files' bytes; `skipped` is for a warning.
    """

    kind: EntryKind
    entry: Entry
    members: list[Member]
    size: int
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The entry's path, in the one spelling all paths are compared in."""
        return clean(self.entry.path)

    @property
    def files(self) -> list[Member]:
        """The members that are files."""
        return [member for member in self.members if member[1] is not None]

    @property
    def single_file(self) -> Member | None:
        """The file this layer is, when the entry is a file: it can then be a raw layer."""
        files = self.files
        return files[0] if len(files) == 1 and files[0][0] == self.path else None


def plan(
    directory: str | os.PathLike[str],
    kitfile: Kitfile,
    ignore: Ignore | None = None,
    *,
    follow_links: bool = False,
    allow_empty: bool = False,
    hidden: Sequence[str] = (),
) -> list[PlannedLayer]:
    """Returns the layers of a pack of `directory`, in the order of the manifest.

    `ignore` defaults to the folder's `.kitignore`. `follow_links` packs what symbolic links
    point to; without it a link inside a folder is skipped, and an entry that is a link is
    an error. `allow_empty` gives the empty layers kit makes of such entries. `hidden` are
    paths that belong to a parent kit.

    Raises `NotFound` for an entry that is not there, `InvalidKitfile` for an entry that
    would be an empty layer, and `FileError` for what cannot be read.
    """
    root = Path(directory)
    if not root.is_dir():
        raise NotFound(f"{root} is not a folder", path=str(root))
    if ignore is None:
        ignore = read_ignore(root)
    entries = kitfile.entries()
    paths = [clean(entry.path) for _, entry in entries] + [clean(path) for path in hidden]
    walk = Walk(root, ignore, paths, follow_links)
    layers = [_plan_entry(walk, kind, entry) for kind, entry in entries]
    if not allow_empty:
        for layer in layers:
            _check_not_empty(layer, walk)
    return layers


def read_ignore(root: Path) -> Ignore:
    """Reads the folder's `.kitignore`; one that is not there leaves nothing out."""
    path = root / IGNORE_NAME
    try:
        return ignores.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Ignore()
    except KitfastError:
        raise
    except OSError as error:
        raise FileError(
            f"cannot read {path}: {error.strerror}", path=str(path), errno=error.errno
        ) from None


def _plan_entry(walk: Walk, kind: EntryKind, entry: Entry) -> PlannedLayer:
    base = posixpath.normpath(entry.path)
    members: list[Member] = []
    skipped: list[Skipped] = []
    size = 0
    try:
        for found in walk.entry(base):
            if found.skipped:
                skipped.append(Skipped(found.name, found.skipped))
            else:
                members.append(_member(found))
                size += 0 if found.is_folder else found.status.st_size
    except FileNotFoundError as error:
        raise NotFound(
            f"{_named(kind, entry)}: {_where(error, base)} is not there",
            hint="the Kitfile names it: correct the path, or take the entry out",
            path=base,
        ) from None
    except KitfastError:
        raise
    except OSError as error:
        raise FileError(
            f"{_named(kind, entry)}: cannot read {_where(error, base)}: {error.strerror}",
            path=_where(error, base),
            errno=error.errno,
        ) from None
    return PlannedLayer(kind, entry, members, size, skipped)


def _member(found: Found) -> Member:
    mode = stat.S_IMODE(found.status.st_mode)
    if found.is_folder:
        return f"{found.name}/", None, mode
    return found.name, found.source, mode


def _check_not_empty(layer: PlannedLayer, walk: Walk) -> None:
    # Parents come first, so only the last member tells whether the entry is there.
    if layer.members and _is_below(layer.members[-1][0], posixpath.normpath(layer.entry.path)):
        return
    what, hint = walk.why_empty(posixpath.normpath(layer.entry.path))
    raise InvalidKitfile(
        f"{_named(layer.kind, layer.entry)}: {what}, so its layer would be empty",
        hint=f"{hint}, or accept an empty layer with --allow-empty",
        path=layer.path,
    )


def _is_below(name: str, base: str) -> bool:
    return base == "." or name == base or name.startswith(f"{base}/")


def _named(kind: EntryKind, entry: Entry) -> str:
    return f"{kind} {entry.path or '.'}"


def _where(error: OSError, base: str) -> str:
    return str(error.filename or base)
