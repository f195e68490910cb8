"""The list of a kit's files: where each lies in its layer, and its digest.

A JSON document beside a kit, see docs/reference/file-list.md. The kit's digest does not
cover it, so it is read like anything a stranger sends: one thing wrong, and all of it is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kitfast import _core
from kitfast.errors import Corrupt, UnsafeMember
from kitfast.kitfile.names import check_name
from kitfast.oci import canonical
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.document import MAX_BYTES, load_object, objects, optional

#: The kind of the artifact that carries a list, and of the list itself.
FILES = "application/vnd.kitfast.files.v1+json"
#: The kind of the chaining values beside it.
GROUPS = "application/vnd.kitfast.groups.v1"
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
class ValuesAt:
    """Where chaining values lie in the blob that holds those of a whole kit."""

    blob: Descriptor
    offset: int
    length: int


@dataclass(frozen=True)
class ListedLayer:
    """The members of one uncompressed tar layer, files in the order they lie in it.

    `names` are of files that come with their whole layer, or not at all; where one of them
    can be read by groups, it is in `files`, too. `values` are the chaining values of the
    files' groups, one file after the other, where the list is to be published; `values_at`
    says where they lie where it was.
    """

    digest: str
    size: int
    files: tuple[ListedFile, ...]
    folders: tuple[ListedFolder, ...]
    names: tuple[str, ...] = ()
    values: bytes = field(default=b"", repr=False)
    values_at: ValuesAt | None = None


Member = tuple[str, int, int, int, str | None, bytes]


def listed(layer: Descriptor, members: Iterable[Member]) -> ListedLayer | None:
    """The list of one layer, from what the core tells of its tar.

    None where a name cannot be written as JSON, or the layer comes whole anyway.
    """
    files: list[ListedFile] = []
    folders: list[ListedFolder] = []
    values = bytearray()
    for name, offset, size, mode, digest, groups in members:
        if not name:
            continue
        if digest is None:
            folders.append(ListedFolder(name, mode))
        else:
            files.append(ListedFile(name, offset, size, mode, digest))
            values += groups
    if len(files) < 2:
        large = [file for file in files if file.size > _core.Groups.SIZE]
        return named(layer, [file.name for file in files], folders, large, bytes(values))
    names = [*(file.name for file in files), *(folder.name for folder in folders)]
    if not all(map(_is_plain, names)):
        return None
    return ListedLayer(layer.digest, layer.size, tuple(files), tuple(folders), values=bytes(values))


def named(
    layer: Descriptor,
    names: Iterable[str],
    folders: Iterable[ListedFolder],
    files: Iterable[ListedFile] = (),
    values: bytes = b"",
) -> ListedLayer | None:
    """The list of a layer that comes whole or not at all; None as `listed`.

    `files` are those of `names` that can be read by groups, with these chaining values.
    """
    found = ListedLayer(
        layer.digest, layer.size, tuple(files), tuple(folders), tuple(names), values
    )
    if layer.size < SMALLEST_LAYER:
        return None
    if not all(map(_is_plain, (*found.names, *(folder.name for folder in found.folders)))):
        return None
    return found


def dump(kit: str, layers: Iterable[ListedLayer]) -> tuple[bytes, bytes] | None:
    """The document for the kit with this digest, and the chaining values of its files.

    Both are the same for the same kit, always. Layers for which there is no room are left
    out. None where nothing is left.
    """
    values: dict[str, bytes] = {"layers": b"", "whole": b""}
    fitting: dict[str, list[dict[str, Any]]] = {"layers": [], "whole": []}
    files, room = 0, MAX_BYTES - 4096
    for layer in layers:
        count = len(layer.names or layer.files) + len(layer.folders)
        if files + count > MOST_FILES:
            continue
        value = _layer_to_json(layer)
        cost = len(canonical.dump_bytes(value)) + 1
        if cost > room:
            continue
        files, room = files + count, room - cost
        key = "whole" if layer.names else "layers"
        fitting[key].append(value)
        values[key] += layer.values
    told = {key: listed for key, listed in fitting.items() if listed}
    if not told:
        return None
    document = {"version": VERSION, "kit": kit, **told}
    return canonical.dump_bytes(document), values["layers"] + values["whole"]


def place_values(layers: Mapping[str, ListedLayer], blob: Descriptor) -> dict[str, ListedLayer]:
    """Says of every layer of a document where in a blob its files' chaining values are.

    Raises:
        Corrupt: the blob is too short, or too long.
    """
    placed: dict[str, ListedLayer] = {}
    offset = 0
    for digest, layer in layers.items():
        length = sum(_core.Groups.values_length(file.size) for file in layer.files)
        placed[digest] = replace(layer, values_at=ValuesAt(blob, offset, length))
        offset += length
    if offset != blob.size:
        what = "the chaining values"
        raise Corrupt(f"{what} are {blob.size} bytes instead of {offset}", what=what)
    return placed


def values_of(layer: ListedLayer, file: ListedFile) -> ValuesAt | None:
    """Where the chaining values of one file are; None where none were published."""
    if layer.values_at is None:
        return None
    blob, offset = layer.values_at.blob, layer.values_at.offset
    for one in layer.files:
        length = _core.Groups.values_length(one.size)
        if one == file:
            return ValuesAt(blob, offset, length)
        offset += length
    return None


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
    for key in ("layers", "whole"):
        for value in objects(document, key, what):
            digest, size = value.get("digest"), value.get("size")
            if not isinstance(digest, str) or sizes.get(digest) != size or digest in found:
                raise Corrupt(f"{what} speaks of a layer that the kit does not have", what=what)
            found[digest] = _layer(value, digest, sizes[digest], whole=key == "whole")
    return found


def _layer(value: dict[str, Any], digest: str, size: int, *, whole: bool) -> ListedLayer:
    where = f"the list of files of {digest[:19]}"
    members = objects(value, "files", where)
    names = tuple(_name(one, where) for one in members)
    files = tuple(_file(one, where) for one in members if "digest" in one or not whole)
    folders = tuple(_folder(one, where) for one in objects(value, "folders", where))
    _check_order(files, size, where)
    _check_names(names, folders, where)
    return ListedLayer(digest, size, files, folders, names if whole else ())


def _check_order(files: tuple[ListedFile, ...], size: int, where: str) -> None:
    end = 0
    for file in files:
        # A header stands before every file, and bytes belong to one file alone.
        if file.offset < end + BLOCK or file.offset % BLOCK:
            raise Corrupt(f"{where}: {file.name[:80]!r} lies where it cannot", what=where)
        end = file.offset + file.size
    if end > size:
        raise Corrupt(f"{where} goes beyond the layer", what=where)


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
    known = {file.name: file for file in layer.files}
    names = layer.names or tuple(known)
    files = [_file_to_json(known[name]) if name in known else {"name": name} for name in names]
    folders = [{"name": folder.name, "mode": folder.mode} for folder in layer.folders]
    return {"digest": layer.digest, "size": layer.size, "files": files, "folders": folders}


def _file_to_json(file: ListedFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "offset": file.offset,
        "size": file.size,
        "mode": file.mode,
        "digest": file.digest,
    }
