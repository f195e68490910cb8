"""Compares the unpacked folder with the packed one, byte by byte, and loads it."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open

PIECE = 4 * 2**20
NUMPY_TYPES = {"BOOL", "U8", "I8", "I16", "U16", "F16", "I32", "U32", "F32", "F64", "I64", "U64"}


def compare(before: Path, after: Path) -> int:
    """Compares every file of two folders and returns how many bytes are equal.

    Raises:
        SystemExit: a file is missing, is too many, or differs, with its name and place.
    """
    names, other_names = files(before), files(after)
    if names != other_names:
        raise SystemExit(f"error: files differ: {sorted(names ^ other_names)}")
    return sum(compare_file(before / name, after / name) for name in sorted(names))


def files(folder: Path) -> set[Path]:
    """Returns the names of the files below `folder`, without the Kitfile.

    A Kitfile is written anew by unpack, in its own words, so its bytes may differ.
    """
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return found - {Path("Kitfile")}


def compare_file(before: Path, after: Path) -> int:
    """Compares two files and returns their size.

    Raises:
        SystemExit: they differ.
    """
    offset = 0
    with before.open("rb") as left, after.open("rb") as right:
        while True:
            ours, theirs = left.read(PIECE), right.read(PIECE)
            if ours != theirs:
                raise SystemExit(f"error: {after.name} differs within {PIECE} bytes of {offset}")
            if not ours:
                return offset
            offset += len(ours)


def load(folder: Path) -> tuple[int, int]:
    """Loads every tensor below `folder` and returns how many there are and their bytes.

    Tensors of a type that numpy lacks, such as bfloat16, are opened but not counted.

    Raises:
        SystemExit: a file cannot be loaded, or a tensor has not the shape it promises.
    """
    count = size = 0
    for path in sorted(folder.rglob("*.safetensors")):
        try:
            tensors, loaded = load_file(path)
        except SafetensorError as error:
            raise SystemExit(f"error: {path.name} cannot be loaded: {error}") from None
        count, size = count + tensors, size + loaded
    return count, size


def load_file(path: Path) -> tuple[int, int]:
    """Loads the tensors of one file, one by one; returns their number and bytes.

    Raises:
        SafetensorError: it is no safetensors file.
        SystemExit: a tensor has not the shape it promises.
    """
    count = size = 0
    with safe_open(path, framework="np") as opened:
        # safe_open is no mapping: it cannot be iterated itself.
        for name in opened.keys():  # noqa: SIM118
            promised = opened.get_slice(name)
            if promised.get_dtype() not in NUMPY_TYPES:
                continue
            tensor = opened.get_tensor(name)
            if list(tensor.shape) != promised.get_shape():
                raise SystemExit(f"error: {path.name}: {name} has another shape")
            count, size = count + 1, size + tensor.nbytes
    return count, size
