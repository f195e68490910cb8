"""Measures what this machine can do at most: hash, disk, socket to file."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from pathlib import Path

from links import Link

MIB = 1 << 20
AMOUNT = 1024 * MIB


def measure(folder: Path, link: Link) -> dict[str, float]:
    """Bytes a second of each ceiling; the median of three."""
    return {
        "sha256, one stream (hashlib)": _median(_hash),
        "write to a fresh file": _median(lambda: _write(folder / "ceiling")),
        "loopback socket to the same file": _median(lambda: _socket(folder / "ceiling")),
    }


def _median(once: object) -> float:
    assert callable(once)
    return float(sorted(once() for _ in range(3))[1])


def _hash() -> float:
    block = os.urandom(MIB)
    hashed = hashlib.sha256()
    start = time.perf_counter()
    for _ in range(512):
        hashed.update(block)
    return 512 * MIB / (time.perf_counter() - start)


def _write(path: Path) -> float:
    block = os.urandom(MIB)
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(AMOUNT // MIB):
            file.write(block)
    return AMOUNT / (time.perf_counter() - start)


def _socket(path: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=_send, args=(server,))
        sender.start()
        buffer = memoryview(bytearray(256 * 1024))
        with socket.create_connection(server.getsockname()) as client, path.open("r+b", 0) as file:
            start = time.perf_counter()
            while count := client.recv_into(buffer):
                file.write(buffer[:count])
            spent = time.perf_counter() - start
        sender.join()
    return AMOUNT / spent


def _send(server: socket.socket) -> None:
    block = os.urandom(MIB)
    connection, _ = server.accept()
    with connection:
        for _ in range(AMOUNT // MIB):
            connection.sendall(block)
