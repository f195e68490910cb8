"""Measures what this machine does at most: hash, disk, socket, link, and all.

The cores are a ceiling like the others: link, registry, disk and hash each take CPU time for
a byte, whoever fetches it, and share the cores. What that sum leaves is the most that any
program could reach which verifies what it keeps.
"""

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from links import Link
from measure import busy
from peers import REPOSITORY, Work, curl, program

MIB = 1 << 20
AMOUNT = 1024 * MIB
CONNECTIONS = 16
#: Streams hashed together take half the CPU time of one after the other (decision 0007).
LANES_GAIN = 2
#: How a row is called that says what all ceilings together leave.
ALL = "any program that verifies what it keeps"


@dataclass(frozen=True)
class Most:
    """One ceiling: bytes a second, and CPU seconds a byte of all that ran for it."""

    name: str
    rate: float
    cost: float


def measure(folder: Path, work: Work) -> list[Most]:
    """The ceilings of a fetch; each is the median of three."""
    layers = len(work.layers)
    found = [
        _median("sha256, one stream (hashlib)", 512 * MIB, _hash),
        _median("write to a fresh file", AMOUNT, lambda: _write(folder / "ceiling")),
        _median("loopback socket to the same file", AMOUNT, lambda: _socket(folder / "ceiling")),
    ]
    path = program("curl")()
    if path is None:
        return found
    name = f"link and registry alone: {CONNECTIONS} curls that keep nothing"
    size = sum(size for _, size in work.layers)
    command = [*curl(path, work), "--output", os.devnull]
    link = _median(name, size, lambda: _link(command, work))
    hashing = found[0].cost / (LANES_GAIN if layers > 1 else 1)
    cost = link.cost + found[1].cost + hashing
    one = found[0].rate if layers == 1 else link.rate
    return [*found, link, Most(ALL, min(link.rate, one, _cores() / cost), cost)]


def pushing(link: Link, files: Sequence[Path]) -> list[Most]:
    """What a registry takes of programs that only send: the median of three."""
    path = program("curl")()
    if path is None:
        return []
    name = f"link and registry alone: {len(files)} curls that hash nothing"
    size = sum(file.stat().st_size for file in files)
    sent = _median(name, size, lambda: _sending(path, link, files))
    return [sent, Most(ALL, min(sent.rate, _cores() / sent.cost), sent.cost)]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _median(name: str, size: int, once: Callable[[], float]) -> Most:
    """Does it three times; `once` tells the seconds that counted."""
    rounds = []
    for _ in range(3):
        begun = busy()
        seconds = once()
        rounds.append((seconds, busy() - begun))
    seconds, cost = sorted(rounds)[1]
    return Most(name, size / seconds, cost / size)


def _hash() -> float:
    block = os.urandom(MIB)
    hashed = hashlib.sha256()
    start = time.perf_counter()
    for _ in range(512):
        hashed.update(block)
    return time.perf_counter() - start


def _write(path: Path) -> float:
    block = os.urandom(MIB)
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(AMOUNT // MIB):
            file.write(block)
    return time.perf_counter() - start


def _link(command: list[str], work: Work) -> float:
    pieces = max(1, CONNECTIONS // len(work.layers))
    commands = [
        [*command, "--range", f"{begin}-{end - 1}", work.blob(digest)]
        for digest, size in work.layers
        for begin, end in _split(size, pieces)
    ]
    return _together(commands)


def _sending(path: str, link: Link, files: Sequence[Path]) -> float:
    """A curl for every file, into uploads that nobody finishes."""
    uploads = [_upload(link) for _ in files]
    words = [path, "--silent", "--fail", "--request", "PATCH", "--header", "Expect:"]
    return _together(
        [
            [*words, "--output", os.devnull, "--upload-file", str(file), upload]
            for file, upload in zip(files, uploads, strict=True)
        ]
    )


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
    return spent


def _send(server: socket.socket) -> None:
    block = os.urandom(MIB)
    connection, _ = server.accept()
    with connection:
        for _ in range(AMOUNT // MIB):
            connection.sendall(block)
