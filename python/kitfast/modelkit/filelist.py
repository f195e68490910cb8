"""The list of a kit's files: where each lies in its layer, and its digest.

A JSON document beside a kit, see docs/reference/file-list.md. The kit's digest does not
cover it, so it is read like anything a stranger sends: one thing wrong, and all of it is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kitfast.errors import Corrupt, UnsafeMember
from kitfast.kitfile.names import check_name
from kitfast.oci import canonical
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.document import MAX_BYTES, load_object, objects, optional

#: The kind of the artifact that carries a list, and of the list itself.
FILES = "application/vnd.kitfast.files.v1+json"
VERSION = 1
#: More files than this are not listed: their layers come whole.
MOST_FILES = 20_000
#: No name in a list is deeper: every folder that it lies in is looked at.
MOST_LEVELS = 256
#: A smaller layer comes whole: that takes no longer, and the kit's own digest covers it.
SMALLEST_LAYER = 1 << 20
BLOCK = 512

_DIGEST = re.compile(r"blake3:[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedFile:
    """A file of a tar layer: `size` bytes from `offset` of the layer on."""

    name: str
    offset: int
    size: int
    mode: int
    digest: str


@dataclass(frozen=True)
class ListedFolder:
    """A folder of a tar layer."""

    name: str
    mode: int


@dataclass(frozen=True)
class ListedLayer:
    """The members of one uncompressed tar layer, files in the order they lie in it.

    `names` are of files that cannot be fetched alone: where one of them is wanted, the
    layer comes whole, else not at all.
    """

    digest: str
    size: int
    files: tuple[ListedFile, ...]
    folders: tuple[ListedFolder, ...]
    names: tuple[str, ...] = ()


Member = tuple[str, int, int, int, str | None]


def listed(layer: Descriptor, members: Iterable[Member]) -> ListedLayer | None:
    """The list of one layer, from what the core tells of its tar.

    None where a name cannot be written as JSON, or the layer comes whole anyway.
    """
    files: list[ListedFile] = []
    folders: list[ListedFolder] = []
    for name, offset, size, mode, digest in members:
        if not name:
            continue
        if digest is None:
            folders.append(ListedFolder(name, mode))
        else:
            files.append(ListedFile(name, offset, size, mode, digest))
    if len(files) < 2:
        return named(layer, [file.name for file in files], folders)
    names = [*(file.name for file in files), *(folder.name for folder in folders)]
    if not all(map(_is_plain, names)):
        return None
    return ListedLayer(layer.digest, layer.size, tuple(files), tuple(folders))


def named(
    layer: Descriptor, names: Iterable[str], folders: Iterable[ListedFolder]
) -> ListedLayer | None:
    """The list of a layer that comes whole or not at all; None as `listed`."""
    found = ListedLayer(layer.digest, layer.size, (), tuple(folders), tuple(names))
    if layer.size < SMALLEST_LAYER:
        return None
    if not all(map(_is_plain, (*found.names, *(folder.name for folder in found.folders)))):
        return None
    return found


def dump(kit: str, layers: Iterable[ListedLayer]) -> bytes | None:
    """The document for the kit with this digest: the same for the same kit, always.

    Layers for which there is no room are left out. None where nothing is left.
    """
    fitting: dict[str, list[dict[str, Any]]] = {"layers": [], "whole": []}
    files, room = 0, MAX_BYTES - 4096
    for layer in layers:
        count = len(layer.files) + len(layer.names) + len(layer.folders)
        if files + count > MOST_FILES:
            continue
        value = _layer_to_json(layer)
        cost = len(canonical.dump_bytes(value)) + 1
        if cost > room:
            continue
        files, room = files + count, room - cost
        fitting["whole" if layer.names else "layers"].append(value)
    told = {key: values for key, values in fitting.items() if values}
    return canonical.dump_bytes({"version": VERSION, "kit": kit, **told}) if told else None


def parse(data: bytes, kit: str, layers: Iterable[Descriptor]) -> dict[str, ListedLayer]:
    """Reads a document that is said to be of this kit; answers its layers by digest.

    Raises:
        Corrupt: it is of another kit, or not what the format says.
    """
    what = "the list of files"
    document = load_object(data, what)
    if document.get("version") != VERSION:
        raise Corrupt(f"{what} is of version {str(document.get('version'))[:20]}", what=what)
    if document.get("kit") != kit:
        raise Corrupt(f"{what} is that of another kit", what=what)
    sizes = {layer.digest: layer.size for layer in layers}
    found: dict[str, ListedLayer] = {}
    for key, read in (("layers", _layer), ("whole", _named_layer)):
        for value in objects(document, key, what):
            digest, size = value.get("digest"), value.get("size")
            if not isinstance(digest, str) or sizes.get(digest) != size or digest in found:
                raise Corrupt(f"{what} speaks of a layer that the kit does not have", what=what)
            found[digest] = read(value, digest, sizes[digest])
    return found


def _layer(value: dict[str, Any], digest: str, size: int) -> ListedLayer:
    where = f"the list of files of {digest[:19]}"
    files = tuple(_file(one, where) for one in objects(value, "files", where))
    folders = tuple(_folder(one, where) for one in objects(value, "folders", where))
    end = 0
    for file in files:
        # A header stands before every file, and bytes belong to one file alone.
        if file.offset < end + BLOCK or file.offset % BLOCK:
            raise Corrupt(f"{where}: {file.name[:80]!r} lies where it cannot", what=where)
        end = file.offset + file.size
    if end > size:
        raise Corrupt(f"{where} goes beyond the layer", what=where)
    _check_names([file.name for file in files], folders, where)
    return ListedLayer(digest, size, files, folders)


def _named_layer(value: dict[str, Any], digest: str, size: int) -> ListedLayer:
    where = f"the list of files of {digest[:19]}"
    names = tuple(_name(one, where) for one in objects(value, "files", where))
    folders = tuple(_folder(one, where) for one in objects(value, "folders", where))
    _check_names(names, folders, where)
    return ListedLayer(digest, size, (), folders, names)


def _check_names(files: Sequence[str], folders: tuple[ListedFolder, ...], where: str) -> None:
    names = set(files)
    if len(names) < len(files) or any(folder.name in names for folder in folders):
        raise Corrupt(f"{where} names a file twice", what=where)
    for name in (*names, *(folder.name for folder in folders)):
        parts = name.split("/")
        if any("/".join(parts[:count]) in names for count in range(1, len(parts))):
            raise Corrupt(f"{where}: {name[:80]!r} lies in a file", what=where)


def _file(value: dict[str, Any], where: str) -> ListedFile:
    digest = value.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Corrupt(f"{where} holds a digest that is none", what=where)
    return ListedFile(
        _name(value, where),
        _number(value, "offset", where, 2**63),
        _number(value, "size", where, 2**63),
        _number(value, "mode", where, 0o10000),
        digest,
    )


def _folder(value: dict[str, Any], where: str) -> ListedFolder:
    return ListedFolder(_name(value, where), _number(value, "mode", where, 0o10000))


def _name(value: dict[str, Any], where: str) -> str:
    name = optional(value, "name", str, where) or ""
    if not _is_plain(name):
        raise Corrupt(f"{where} holds the name {name[:80]!r}", what=where)
    return str(name)


def _number(value: dict[str, Any], key: str, where: str, limit: int) -> int:
    number = optional(value, key, int, where)
    if number is None or not 0 <= number < limit:
        raise Corrupt(f"{where}: {key} is {str(number)[:30]}", what=where)
    return int(number)


def _is_plain(name: str) -> bool:
    """Whether a name stays in its folder, is spelled in the one way, and is short Unicode."""
    try:
        name.encode("utf-8")
        plain = check_name(name, "the list of files") == name
        return plain and name.count("/") < MOST_LEVELS
    except (UnicodeEncodeError, UnsafeMember):
        return False


def _layer_to_json(layer: ListedLayer) -> dict[str, Any]:
    files: list[dict[str, Any]] = [{"name": name} for name in layer.names]
    files += [
        {
            "name": file.name,
            "offset": file.offset,
            "size": file.size,
            "mode": file.mode,
            "digest": file.digest,
        }
        for file in layer.files
    ]
    folders = [{"name": folder.name, "mode": folder.mode} for folder in layer.folders]
    return {"digest": layer.digest, "size": layer.size, "files": files, "folders": folders}
