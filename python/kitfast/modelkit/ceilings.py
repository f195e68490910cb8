"""Measures what this machine can do at most: hash, write, read, socket to file."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core
from kitfast.errors import Cancelled, FileError, KitfastError

MIB = 1 << 20
#: Streams hashed side by side at most; the files they come from share the bytes.
MOST_STREAMS = 64
LANES = 4


@dataclass(frozen=True)
class Rate:
    """How fast one thing goes; `size` in bytes, `rate` in bytes a second."""

    name: str
    size: int
    seconds: float
    rate: int


def rate(name: str, size: int, seconds: float) -> Rate:
    """The rate of `size` bytes in `seconds`."""
    return Rate(name, size, round(seconds, 6), int(size / max(seconds, 1e-9)))


def measure(folder: Path, size: int, meter: _core.Meter) -> tuple[Rate, ...]:
    """Takes the machine's measure with `size` bytes on the disk of `folder`.

    The files never have a name, so that nothing is left of them, not even after a kill.

    Args:
        folder: where to write and read; it must exist.
        size: bytes on the disk at most.
        meter: counts the bytes of every step, and can cancel.

    Raises:
        FileError, NoSpace: the disk does not take or give the bytes.
        Cancelled: the meter was cancelled.
    """
    streams = min(LANES * (os.cpu_count() or 1), MOST_STREAMS, max(1, size // MIB))
    each = size // streams
    total = each * streams
    meter.expect(total * len(STEPS))
    with contextlib.ExitStack() as open_files, _told(folder):
        files = [open_files.enter_context(_nameless(folder)) for _ in range(streams)]
        block = os.urandom(min(each, MIB))
        bench = _Bench(files, each, block, meter)
        return tuple(rate(name, total, _seconds(step, bench)) for name, step in STEPS.items())


@dataclass(frozen=True)
class _Bench:
    """What every step works on: open files of `each` bytes."""

    files: list[int]
    each: int
    block: bytes
    meter: _core.Meter

    def count(self, done: int) -> None:
        if self.meter.cancelled:
            raise Cancelled("cancelled")
        self.meter.add(done)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Offset and length of each write that makes a file."""
        step = len(self.block)
        for at in range(0, self.each, step):
            yield at, min(step, self.each - at)


def _seconds(step: Callable[[_Bench], None], bench: _Bench) -> float:
    start = time.perf_counter()
    step(bench)
    return time.perf_counter() - start


def _write(bench: _Bench) -> None:
    for file in bench.files:
        for at, length in bench.pieces():
            bench.count(_write_at(file, bench.block[:length], at))
    for file in bench.files:
        os.fsync(file)


def _read(bench: _Bench) -> None:
    buffer = bytearray(len(bench.block))
    for file in bench.files:
        # What is still in memory would be measured instead of the disk.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    for file in bench.files:
        for at, length in bench.pieces():
            bench.count(os.preadv(file, [memoryview(buffer)[:length]], at))


def _hash_in_turn(bench: _Bench) -> None:
    for file in bench.files:
        _core.sha256_file(_path(file), bench.meter)


def _hash_together(bench: _Bench) -> None:
    _core.sha256_files([_path(file) for file in bench.files], bench.meter)


def _receive(bench: _Bench) -> None:
    """What a download is at most: bytes from a socket of this machine into a file."""
    buffer = memoryview(bytearray(256 * 1024))
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=_send, args=(server, bench))
        with socket.create_connection(server.getsockname()) as client:
            sender.start()
            try:
                for file in bench.files:
                    at = 0
                    while at < bench.each:
                        count = client.recv_into(buffer[: bench.each - at])
                        if count == 0:
                            raise ConnectionResetError("the loopback connection ended early")
                        bench.count(_write_at(file, buffer[:count], at))
                        at += count
            finally:
                client.close()
                sender.join()


def _send(server: socket.socket, bench: _Bench) -> None:
    connection, _ = server.accept()
    # The receiver closes early only when it fails, and tells why itself.
    with connection, contextlib.suppress(OSError):
        for _ in bench.files:
            for _, length in bench.pieces():
                connection.sendall(bench.block[:length])


#: In this order: reading and hashing need what was written.
STEPS: dict[str, Callable[[_Bench], None]] = {
    "disk write": _write,
    "disk read": _read,
    "hash, one stream": _hash_in_turn,
    "hash, many streams": _hash_together,
    "loopback socket to file": _receive,
}


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Says where it was when the system refuses."""
    try:
        yield
    except KitfastError:
        raise
    except OSError as error:
        text = f"cannot measure in {folder}: {error.strerror or error}"
        raise FileError(text, path=str(folder), errno=error.errno) from error


def _write_at(file: int, data: bytes | memoryview, at: int) -> int:
    view, done = memoryview(data), 0
    while done < len(view):
        done += os.pwrite(file, view[done:], at + done)
    return done


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file.fileno()


def _path(file: int) -> str:
    """A name for an open file that has none."""
    return f"/proc/self/fd/{file}"
