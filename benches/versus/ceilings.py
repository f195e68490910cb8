"""Measures what this machine does at most: hash, disk, socket, the link alone."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from links import Link
from peers import REPOSITORY, Work, curl, program

MIB = 1 << 20
AMOUNT = 1024 * MIB
CONNECTIONS = 16


def measure(folder: Path, work: Work) -> dict[str, float]:
    """Bytes a second of each ceiling; the median of three."""
    ceilings = {
        "sha256, one stream (hashlib)": _median(_hash),
        "write to a fresh file": _median(lambda: _write(folder / "ceiling")),
        "loopback socket to the same file": _median(lambda: _socket(folder / "ceiling")),
    }
    path = program("curl")()
    if path is not None:
        name = f"link and registry alone: {CONNECTIONS} curls that keep nothing"
        ceilings[name] = _median(lambda: _link([*curl(path, work), "--output", os.devnull], work))
    return ceilings


def pushing(link: Link, files: Sequence[Path]) -> dict[str, float]:
    """Bytes a second that a registry takes of programs that only send: the median of three."""
    path = program("curl")()
    if path is None:
        return {}
    name = f"link and registry alone: {len(files)} curls that hash nothing"
    return {name: _median(lambda: _sending(path, link, files))}


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


def _link(command: list[str], work: Work) -> float:
    pieces = max(1, CONNECTIONS // len(work.layers))
    commands = [
        [*command, "--range", f"{begin}-{end - 1}", work.blob(digest)]
        for digest, size in work.layers
        for begin, end in _split(size, pieces)
    ]
    return sum(size for _, size in work.layers) / _together(commands)


def _sending(path: str, link: Link, files: Sequence[Path]) -> float:
    """A curl for every file, into uploads that nobody finishes."""
    uploads = [_upload(link) for _ in files]
    words = [path, "--silent", "--fail", "--request", "PATCH", "--header", "Expect:"]
    spent = _together(
        [
            [*words, "--output", os.devnull, "--upload-file", str(file), upload]
            for file, upload in zip(files, uploads, strict=True)
        ]
    )
    return sum(file.stat().st_size for file in files) / spent


def _upload(link: Link) -> str:
    """Begins an upload; its address."""
    url = f"http://{link.host}/v2/{REPOSITORY}/blobs/uploads/"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
        return urllib.parse.urljoin(url, answer.headers["Location"])


def _together(commands: Sequence[list[str]]) -> float:
    """Runs them all at once; the seconds until the last one has ended."""
    start = time.perf_counter()
    running = [subprocess.Popen(command) for command in commands]
    statuses = [child.wait() for child in running]
    spent = time.perf_counter() - start
    if any(statuses):
        raise RuntimeError(f"{commands[0]!r} and its like ended with {statuses}")
    return spent


def _split(size: int, pieces: int) -> list[tuple[int, int]]:
    bounds = [size * number // pieces for number in range(pieces + 1)]
    return list(itertools.pairwise(bounds))


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
