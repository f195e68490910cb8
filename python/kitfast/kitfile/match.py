"""Says for each layer of any artifact what it is and where it goes."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass

from kitfast.errors import Corrupt
from kitfast.kitfile.metadata import FileMetadata, file_metadata
from kitfast.kitfile.model import Dataset, Entry, EntryKind, Kitfile
from kitfast.kitfile.names import check_name, clean
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest
from kitfast.oci.mediatypes import (
    FILEPATHS,
    TITLE,
    Family,
    LayerType,
    Shape,
    family,
    layer_type,
)

DEFAULT_MODE = 0o644
# The words of all families in kit's words. What is not listed is part of the model.
_KINDS: dict[str, EntryKind] = {
    "model": "model",
    "modelpart": "modelpart",
    "dataset": "dataset",
    "code": "code",
    "docs": "docs",
    "doc": "docs",
    "license": "docs",
    "prompt": "prompt",
}
# Names for files of Docker's first config, which has none.
_DOCKER_NAMES = {
    "mmproj": "mmproj.gguf",
    "chat.template.jinja": "template.jinja",
    "license": "LICENSE",
}


@dataclass(frozen=True)
class Unpackable:
    """One layer, ready to be unpacked the same way whatever artifact it came in.

    `shape` is "tar", whose members bring their names, or "raw", one file `name` with
    `mode`; `compression` is none, gzip or zstd. `kind` and `entry` are what filters look
    at; `entry` is None where no Kitfile entry is behind the layer. `under` is a folder the
    tar's names are relative to: empty but for kits of before June 2024.
    """

    descriptor: Descriptor
    shape: Shape
    compression: str
    kind: EntryKind
    name: str | None = None
    mode: int = DEFAULT_MODE
    entry: Entry | None = None
    under: str = ""

    @property
    def core_shape(self) -> str:
        """The word the core has for it: whole, tar, tar+gzip or tar+zstd."""
        if self.shape == "raw":
            return "whole"
        return "tar" if self.compression == "none" else f"tar+{self.compression}"


def match(manifest: Manifest, kitfile: Kitfile) -> list[Unpackable]:
    """Returns every layer of `manifest` with where it goes, in order.

    `kitfile` is what `kitfile_of` made of the artifact. In a ModelKit the n-th layer of a
    kind belongs to the n-th entry of that kind, and must be the layer whose digest the
    entry carries. Raises `Corrupt` where manifest and Kitfile disagree or two files have
    one name, `UnsafeMember` for names that must not be written, and `UnsupportedArtifact`
    for layers of an unknown type.
    """
    kind = family(manifest)
    if kind == "modelkit":
        found = _match_modelkit(manifest, kitfile)
    else:
        found = _match_files(manifest, kitfile, kind)
    _check_collisions(found)
    return found


def _match_modelkit(manifest: Manifest, kitfile: Kitfile) -> list[Unpackable]:
    waiting: dict[EntryKind, list[Entry]] = defaultdict(list)
    for entry_kind, entry in reversed(kitfile.entries()):
        waiting[entry_kind].append(entry)
    found = []
    for index, layer in enumerate(manifest.layers):
        said = layer_type("modelkit", layer)
        kind = _KINDS[said.kind]
        where = f"layer {index + 1} ({said.kind})"
        if not waiting[kind]:
            raise Corrupt(f"{where} has no entry in the Kitfile")
        entry = waiting[kind].pop()
        if entry.digest and entry.digest != layer.digest:
            raise Corrupt(f"{where} is {layer.digest}, but its Kitfile entry says {entry.digest}")
        found.append(_of_entry(layer, said, kind, entry, where))
    for left_over in waiting.values():
        for entry in left_over:
            _check_no_layer(entry)
    return found


def _of_entry(
    layer: Descriptor, said: LayerType, kind: EntryKind, entry: Entry, where: str
) -> Unpackable:
    if said.shape == "tar":
        # Before entries carried digests, a tar held paths below its entry's parent.
        under = "" if entry.digest else posixpath.dirname(clean(entry.path))
        if under:
            check_name(under, where)
        return Unpackable(layer, "tar", said.compression, kind, entry=entry, under=under)
    name = check_name(_filepath(layer) or entry.path, where)
    mode = _metadata(layer, where).mode
    return Unpackable(layer, "raw", said.compression, kind, name, mode, entry)


def _check_no_layer(entry: Entry) -> None:
    if entry.digest and not (isinstance(entry, Dataset) and entry.remote_path):
        raise Corrupt(f"the Kitfile's entry {entry.path!r} has no layer in the manifest")


def _match_files(manifest: Manifest, kitfile: Kitfile, kind: Family) -> list[Unpackable]:
    entries = [(clean(entry.path), word, entry) for word, entry in kitfile.entries()]
    names = docker_names(manifest) if kind == "docker" else {}
    found = []
    for index, layer in enumerate(manifest.layers):
        said = layer_type(kind, layer)
        where = f"layer {index + 1} ({said.kind})"
        name = _filepath(layer) or names.get(index)
        if name is None and said.shape == "raw":
            raise Corrupt(f"{where} is a file without a name")
        metadata = _metadata(layer, where)
        if metadata.is_link or (metadata.is_folder and said.shape == "raw"):
            raise Corrupt(f"{where} is said to be a link or a folder, but is a file")
        word, entry = _entry_of(name, entries, said)
        found.append(
            Unpackable(
                layer,
                said.shape,
                said.compression,
                word,
                check_name(name, where) if name is not None and said.shape == "raw" else None,
                metadata.mode,
                entry,
            )
        )
    return found


def _entry_of(
    name: str | None, entries: list[tuple[str, EntryKind, Entry]], said: LayerType
) -> tuple[EntryKind, Entry | None]:
    """Finds the entry a file belongs to: its own, else that of the nearest folder."""
    path = clean(name) if name is not None else None
    best: tuple[str, EntryKind, Entry] | None = None
    for candidate in entries:
        folder = candidate[0]
        if path is None or not (path == folder or folder == "." or path.startswith(f"{folder}/")):
            continue
        if best is None or len(folder) > len(best[0]) or best[0] == ".":
            best = candidate
    if best is None:
        return entry_kind(said), None
    return best[1], best[2]


def entry_kind(said: LayerType) -> EntryKind:
    """Returns kit's word for a layer of any family; weights and their files are the model."""
    return _KINDS.get(said.kind, "modelpart" if said.kind.endswith("config") else "model")


def _filepath(layer: Descriptor) -> str | None:
    for key in (*FILEPATHS, TITLE):
        if layer.annotations.get(key):
            return layer.annotations[key]
    return None


def _metadata(layer: Descriptor, where: str) -> FileMetadata:
    return file_metadata(layer.annotations, where)


def docker_names(manifest: Manifest) -> dict[int, str]:
    """Makes up names for layers of a Docker model that have none, as its runner does."""
    kinds = {
        index: layer_type("docker", layer).kind
        for index, layer in enumerate(manifest.layers)
        if _filepath(layer) is None
    }
    names = {index: _DOCKER_NAMES[kind] for index, kind in kinds.items() if kind in _DOCKER_NAMES}
    for ending in ("gguf", "safetensors"):
        shards = [index for index, kind in kinds.items() if kind == ending]
        for number, index in enumerate(shards, start=1):
            many = f"-{number:05d}-of-{len(shards):05d}" if len(shards) > 1 else ""
            names[index] = f"model{many}.{ending}"
    return names


def _check_collisions(found: list[Unpackable]) -> None:
    names: dict[str, str] = {}
    for layer in found:
        if layer.name is None:
            continue
        digest = names.setdefault(layer.name, layer.descriptor.digest)
        if digest != layer.descriptor.digest:
            raise Corrupt(f"two layers are the file {layer.name!r}, with different bytes")
