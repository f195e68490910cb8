"""Takes uploads as a registry does, hashes them and throws them away.

`python sink.py PORT` answers on 127.0.0.1 until it is stopped. A real registry writes what
it gets, and that is what a push to it measures: this one costs a hash and nothing else. It
verifies every digest, knows what each repository was given, and never mounts.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import socket
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

BUFFER = 256 << 10

_PATH = re.compile(r"/v2/(.+)/(blobs/uploads|blobs|manifests)/([^/]*)")


@dataclass
class _Upload:
    hash: Any = field(default_factory=hashlib.sha256)
    size: int = 0


class Sink:
    """What was given: uploads on their way, sizes of blobs, manifests; by repository."""

    def __init__(self) -> None:
        self.uploads: dict[str, _Upload] = {}
        self.blobs: dict[tuple[str, str], int] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.names = map(str, itertools.count())

    def answer(self, request: Request) -> None:
        """Answers one request."""
        path, _, query = request.target.partition("?")
        found = _PATH.fullmatch(path)
        if found is None:
            return request.reply(200 if path.rstrip("/") == "/v2" else 404)
        repository, kind, name = found.groups()
        if kind == "manifests":
            return self._manifest(request, repository, name)
        if kind == "blobs":
            size = self.blobs.get((repository, name))
            return request.reply(404 if size is None else 200, announced=size)
        return self._upload(request, repository, name, parse_qs(query))

    def _manifest(self, request: Request, repository: str, name: str) -> None:
        if request.method == "PUT":
            data = b"".join(bytes(piece) for piece in request.body())
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            for key in (name, digest):
                kind = request.headers.get("content-type", "")
                self.manifests[repository, key] = (kind, data)
            return request.reply(201, _made(repository, "manifests", digest))
        held = self.manifests.get((repository, name))
        if held is None:
            return request.reply(404)
        digest = "sha256:" + hashlib.sha256(held[1]).hexdigest()
        headers = {"Content-Type": held[0], "Docker-Content-Digest": digest}
        return request.reply(200, headers, held[1])

    def _upload(
        self, request: Request, repository: str, name: str, query: dict[str, list[str]]
    ) -> None:
        if request.method == "POST":
            name = next(self.names)
            self.uploads[name] = _Upload()
        upload = self.uploads.get(name)
        if upload is None:
            return request.reply(404)
        for piece in request.body():
            upload.hash.update(piece)
            upload.size += len(piece)
        if request.method == "PUT":
            del self.uploads[name]
            digest = "sha256:" + upload.hash.hexdigest()
            if query.get("digest") != [digest]:
                return request.reply(400)
            self.blobs[repository, digest] = upload.size
            return request.reply(201, _made(repository, "blobs", digest))
        if request.method == "DELETE":
            del self.uploads[name]
            return request.reply(204)
        location = {"Location": f"/v2/{repository}/blobs/uploads/{name}"}
        if upload.size:
            location["Range"] = f"0-{upload.size - 1}"
        return request.reply(204 if request.method == "GET" else 202, location)


def _made(repository: str, kind: str, digest: str) -> dict[str, str]:
    location = f"/v2/{repository}/{kind}/{digest}"
    return {"Docker-Content-Digest": digest, "Location": location}


class Request:
    """One request: its head, a body that is read as it comes, and the way to answer."""

    def __init__(self, connection: Connection, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in lines[1:] if line)
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self._connection = connection
        self._left = int(self.headers.get("content-length", "0"))
        if "transfer-encoding" in self.headers:
            raise ValueError("the sink takes bodies of known length only")

    def body(self) -> Any:
        """Yields the body in pieces, each good until the next one."""
        while self._left:
            piece = self._connection.take(self._left)
            self._left -= len(piece)
            yield piece

    def reply(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        announced: int | None = None,
    ) -> None:
        """Answers; `announced` is the length of a body that a HEAD does not get."""
        for _ in self.body():
            pass
        length = len(body) if announced is None else announced
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if status != 204:
            lines.append(f"Content-Length: {length}")
        head = "\r\n".join([*lines, "", ""]).encode()
        self._connection.socket.sendall(head if self.method == "HEAD" else head + body)


class Connection(threading.Thread):
    """One connection: its requests, one after the other."""

    def __init__(self, sink: Sink, connected: socket.socket) -> None:
        super().__init__(daemon=True)
        self.socket = connected
        self._sink = sink
        self._room = memoryview(bytearray(BUFFER))
        self._held = b""

    def run(self) -> None:
        """Answers until the other side goes."""
        with self.socket, contextlib.suppress(ConnectionError):
            while (head := self._head()) is not None:
                self._sink.answer(Request(self, head))

    def take(self, most: int) -> memoryview:
        """The next bytes of a body."""
        if self._held:
            piece, self._held = self._held[:most], self._held[most:]
            return memoryview(piece)
        count = self.socket.recv_into(self._room, min(most, BUFFER))
        if not count:
            raise ConnectionResetError("the body ended early")
        return self._room[:count]

    def _head(self) -> bytes | None:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self._held += piece
        head, self._held = self._held[:end], self._held[end + 4 :]
        return head


def main() -> None:
    """Listens."""
    sink = Sink()
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as listener:
        while True:
            connected, _ = listener.accept()
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(sink, connected).start()


if __name__ == "__main__":
    main()
