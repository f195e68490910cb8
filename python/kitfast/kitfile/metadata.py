"""What a raw layer says about its file: mode and kind (model-spec, annotations)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kitfast.errors import Corrupt
from kitfast.oci import canonical
from kitfast.oci.document import load_object, optional
from kitfast.oci.mediatypes import FILE_METADATA

# The specification leaves typeflag open: some write numbers, some tar's characters.
_FILES = (0, 48)
_LINKS = (2, 50)
_FOLDERS = (5, 53)
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class FileMetadata:
    """A file's permission bits, and whether it is said to be something else than a file."""

    mode: int = 0o644
    is_folder: bool = False
    is_link: bool = False


def file_metadata(annotations: Mapping[str, str], where: str) -> FileMetadata:
    """Reads the file metadata annotation; defaults where there is none.

    Bits beyond the permissions (setuid, and Go's own for folders) are dropped.
    Raises `Corrupt` for an annotation that cannot be read.
    """
    text = next((annotations[key] for key in FILE_METADATA if annotations.get(key)), None)
    if text is None:
        return FileMetadata()
    where = f"{where}: its file metadata"
    value = load_object(text.encode("utf-8"), where)
    mode = optional(value, "mode", int, where)
    flag = optional(value, "typeflag", int, where) or 0
    if flag not in _FILES + _LINKS + _FOLDERS:
        raise Corrupt(f"{where} is of the unknown type {flag}", what=where)
    permissions = FileMetadata.mode if mode is None or mode < 0 else mode & 0o777
    return FileMetadata(permissions, flag in _FOLDERS, flag in _LINKS)


def write_file_metadata(name: str, mode: int, size: int) -> str:
    """Returns the annotation for a file; owner and time are fixed, so that packs agree."""
    value = {
        "name": name.rpartition("/")[2],
        "mode": mode & 0o777,
        "uid": 0,
        "gid": 0,
        "size": size,
        "mtime": _EPOCH,
        "typeflag": 0,
    }
    return canonical.dumps(value)
