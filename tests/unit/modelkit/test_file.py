"""A file of a kit keeps the contract of files: held against one of Python's own."""

from __future__ import annotations

import array
import ctypes
import io
import mmap
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kitfast.kitfile.match import Unpackable
from kitfast.modelkit.file import BUFFER, KitFile
from kitfast.modelkit.members import Extent
from kitfast.oci.descriptor import Descriptor

DATA = random.Random(1).randbytes(100)
LAYER = b"before" + DATA + b"behind"
BUFFERS: dict[str, Callable[[], Any]] = {
    "bytearray": lambda: bytearray(16),
    "array of ints": lambda: array.array("I", [0] * 4),
    "view of ints": lambda: memoryview(bytearray(16)).cast("I"),
    "view of two dimensions": lambda: memoryview(bytearray(16)).cast("B", (4, 4)),
    "structures": lambda: (type("S", (ctypes.BigEndianStructure,), FIELDS) * 2)(),
    "memory map": lambda: mmap.mmap(-1, 16),
    "nothing": lambda: bytearray(),
    "far too long": lambda: array.array("d", [0.0] * 400),
}
FIELDS = {"_fields_": [("a", ctypes.c_int32), ("b", ctypes.c_int32)]}


def opened() -> KitFile:
    item = Unpackable(Descriptor("layer", "sha256:" + "0" * 64, len(LAYER)), "tar", "none", "model")

    def read(offset: int, length: int) -> bytes:
        return LAYER[offset : offset + length]

    return KitFile("some.bin", Extent(item, 6, len(DATA)), read, True, lambda: None)


@pytest.fixture
def plain(tmp_path: Path) -> io.FileIO:
    (tmp_path / "some.bin").write_bytes(DATA)
    return io.FileIO(tmp_path / "some.bin")


@pytest.mark.parametrize("kind", BUFFERS)
@pytest.mark.parametrize("at", [0, 90, 1000])
def test_any_buffer_is_filled(plain: io.FileIO, kind: str, at: int) -> None:
    outcomes = []
    for file in (plain, opened()):
        buffer = BUFFERS[kind]()
        with file:
            file.seek(at)
            outcomes.append((file.readinto(buffer), file.tell(), bytes(memoryview(buffer))))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("at", [0, 1000])
@pytest.mark.parametrize("buffer", [b"0123", memoryview(bytearray(9))[::2], "text", None])
def test_what_cannot_be_filled_is_refused(plain: io.FileIO, at: int, buffer: Any) -> None:
    for file in (plain, opened()):
        with file:
            file.seek(at)
            with pytest.raises((TypeError, BufferError)):
                file.readinto(buffer)
            assert file.tell() == at


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((0, 9), ValueError),
        ((0, -1), ValueError),
        ((1.5,), TypeError),
        (("1",), TypeError),
        ((-1,), ValueError),
        ((-101, io.SEEK_END), ValueError),
    ],
)
def test_no_such_place(words: tuple[Any, ...], error: type[Exception]) -> None:
    with opened() as file:
        file.seek(7)
        with pytest.raises(error):
            file.seek(*words)
        assert file.tell() == 7


CALLS: dict[str, Callable[[Any], object]] = {
    "seek": lambda file: file.seek(0),
    "tell": lambda file: file.tell(),
    "readable": lambda file: file.readable(),
    "seekable": lambda file: file.seekable(),
    "read": lambda file: file.read(1),
    "read all": lambda file: file.read(),
    "readinto": lambda file: file.readinto(bytearray(1)),
    "enter": lambda file: file.__enter__(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_file_does_nothing(plain: io.FileIO, name: str) -> None:
    for file in (plain, opened()):
        file.close()
        file.close()
        with pytest.raises(ValueError, match="closed"):
            CALLS[name](file)


def test_all_of_a_large_file_is_read_in_large_ranges() -> None:
    size, asked = 3 * BUFFER + 5, []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return bytes(length)

    item = Unpackable(Descriptor("layer", "sha256:" + "0" * 64, size), "whole", "none", "model")
    file = KitFile("a", Extent(item, 0, size), read, False, lambda: None)
    file.seek(1)
    assert file.read() == bytes(size - 1)
    assert asked == [(1 + n * BUFFER, BUFFER) for n in range(3)] + [(1 + 3 * BUFFER, 4)]
