"""Lends the socket under a request, so that the core can write the body itself.

asyncio copies what a socket does not take at once, and moves the rest in its buffer at
each later send: beyond half a gigabyte a second that alone fills a core. A body of known
length over plain TCP can go without all of it. The headers are sent first; then nobody but
the borrower writes to the socket until the body is out, while answers are still read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, runtime_checkable

import aiohttp
from aiohttp.abc import AbstractStreamWriter


@runtime_checkable
class Sendable(Protocol):
    """A body that can also write itself to a socket."""

    def send(self, socket: int, taken: Callable[[int, bool], None]) -> Awaitable[None]:
        """Writes the whole body; `taken` hears now and then of bytes, and of a full socket."""


class Feed:
    """A body on its way out: counts what is taken and keeps what its source raised.

    Attributes:
        handed: Bytes that the connection has taken.
        failure: What the body raised, which aiohttp would wrap.
        ended: Set when the body is out, or will never be.
    """

    def __init__(self, body: AsyncIterator[bytes], length: int) -> None:
        self.handed = 0
        self.failure: Exception | None = None
        self._body = body
        self._length = length
        self.ended = asyncio.Event()
        self._waiting_for_source = False
        self._task: asyncio.Task[None] | None = None

    def payload(self) -> aiohttp.Payload:
        """What aiohttp takes for a body."""
        return _Outlet(self, self._length)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes the body behind the headers: by the core where it can, else piece by piece."""
        self._task = asyncio.current_task()
        try:
            body = self._body
            socket = await _borrow(writer) if isinstance(body, Sendable) else None
            if socket is None:
                await self._write_pieces(writer)
            elif isinstance(body, Sendable):
                try:
                    await body.send(socket, self._taken)
                finally:
                    os.close(socket)
            if not self.complete:
                raise ValueError(f"a body of {self.handed} bytes, {self._length} announced")
        except asyncio.CancelledError:
            # aiohttp does so when the answer is there, which may be sooner than the word
            # from the thread that has sent the last byte.
            if not self.complete:
                raise
        except aiohttp.ClientError:
            raise  # the connection's own, which is no news to aiohttp
        except Exception as error:
            self.failure = error
            raise
        finally:
            self.ended.set()

    @property
    def complete(self) -> bool:
        """Whether the connection has taken the whole body."""
        return self.handed == self._length

    async def stop(self) -> None:
        """Returns when nothing reads from the body any more."""
        if self._task is not None and not self.ended.is_set():
            self._task.cancel()
            await self.ended.wait()

    def stuck(self, seen: int) -> bool:
        """Whether the peer, and not the source, has kept it at `seen` bytes."""
        return self.handed == seen and not self._waiting_for_source and not self.ended.is_set()

    async def _write_pieces(self, writer: AbstractStreamWriter) -> None:
        self._waiting_for_source = True
        async for chunk in self._body:
            self._waiting_for_source = False
            self.handed += len(chunk)
            if self.handed > self._length:
                raise ValueError(f"a body of more than the {self._length} bytes announced")
            await writer.write(chunk)
            self._waiting_for_source = True

    def _taken(self, count: int, full: bool) -> None:
        self.handed += count
        self._waiting_for_source = not full


class _Outlet(aiohttp.Payload):
    """A feed as aiohttp wants its bodies."""

    def __init__(self, feed: Feed, length: int) -> None:
        super().__init__(feed, content_type="application/octet-stream")
        self._feed = feed
        self._size = length

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a blob is no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        # Said first, or aiohttp would send what is left of it over a second connection;
        # before 3.14 it tries that whatever is said here.
        if self._consumed:
            raise aiohttp.ClientConnectionError("the body was sent on a connection that broke")
        self._consumed = True
        await self._feed.write(writer)


async def _borrow(writer: AbstractStreamWriter) -> int | None:
    """The socket under a request whose headers are out; None where it cannot be lent.

    The caller closes it. It cannot be lent under TLS, or when the headers did not go out.
    """
    transport = getattr(writer, "transport", None)
    if not isinstance(transport, asyncio.Transport) or transport.get_extra_info("ssl_object"):
        return None
    socket = transport.get_extra_info("socket")
    if socket is None:
        return None
    writer.send_headers()
    await writer.drain()
    if transport.is_closing() or transport.get_write_buffer_size():
        return None
    return os.dup(socket.fileno())
