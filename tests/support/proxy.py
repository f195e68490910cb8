"""A small HTTP proxy for tests: tunnels, forwards, and notes what went through."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """A running proxy; `lines` holds the first line of each request it was sent."""

    address: str
    credentials: str | None = None
    lines: list[str] = field(default_factory=list)


@asynccontextmanager
async def proxying(credentials: str | None = None) -> AsyncIterator[Proxy]:
    """Runs a proxy on 127.0.0.1 that wants `user:password` when given any."""
    proxy = Proxy("", credentials)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _serve(proxy, reader, writer)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    proxy.lines.append(line.decode())
    if proxy.credentials is not None:
        shown = base64.b64encode(proxy.credentials.encode())
        if b"Proxy-Authorization: Basic " + shown not in rest:
            writer.write(b"HTTP/1.1 407 Denied\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
    method, target, _ = line.decode().split()
    url = urlsplit(target if "://" in target else f"//{target}")
    far = await asyncio.open_connection(url.hostname, url.port)
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        path = url.path + (f"?{url.query}" if url.query else "")
        # One request a connection: what comes back ends when the far side closes.
        far[1].write(f"{method} {path} HTTP/1.1\r\nConnection: close\r\n".encode() + rest)
    try:
        await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
    finally:
        far[1].close()
        with suppress(ConnectionError):
            await far[1].wait_closed()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()
    sink.close()
