"""The typed face of the compiled core; held to the built extension by stubtest."""

from os import PathLike
from typing import final

__version__: str

@final
class Meter:
    """Bytes done and total of a running call, and the flag that cancels it."""

    def __new__(cls, total: int = 0) -> Meter: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def cancelled(self) -> bool: ...
    def add(self, bytes: int) -> None: ...
    def expect(self, bytes: int) -> None: ...
    def cancel(self) -> None: ...

def sha256_file(
    path: str | PathLike[str],
    meter: Meter | None = None,
    start: int = 0,
    length: int | None = None,
) -> str:
    """The SHA-256 of a file or a range of it.

    Args:
        path: a regular file.
        meter: counts the bytes hashed and can cancel.
        start: offset of the first byte.
        length: bytes to hash; up to the end of the file by default.

    Returns:
        `sha256:<hex>`, as OCI image-spec 1.1 descriptors spell it.

    Raises:
        FileError: the file cannot be read.
        InvalidArgument: not a regular file, or a range that is not inside it.
        SourceChanged: the file shrank while it was read.
        Cancelled: the meter was cancelled.
    """

def blake3_file(
    path: str | PathLike[str],
    meter: Meter | None = None,
    start: int = 0,
    length: int | None = None,
) -> str:
    """The BLAKE3 of a file or a range of it, as `blake3:<hex>`; else as `sha256_file`."""
