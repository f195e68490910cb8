"""Lends the socket under an answer, so that the core can read the body itself.

aiohttp makes a bytes object of every 64 to 256 KiB and walks it through its parser and
three layers of Python: at a gigabyte a second that alone fills a core. For a body of
known length over plain TCP none of it is needed. What aiohttp has read already is handed
out first; then the transport stops reading, and whoever borrows the socket reads on.
Given back after exactly the announced bytes, the connection is kept and used again.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any

import aiohttp


class Loan:
    """A borrowed socket; a context manager that gives it back.

    Attributes:
        first: The bytes of the body that had been read before.
        socket: A file descriptor to read the rest from; open until the block ends.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        transport: asyncio.Transport,
        first: bytes,
        socket: int,
    ) -> None:
        self.first = first
        self.socket = socket
        self._response = response
        self._transport = transport
        self._complete = False

    def complete(self) -> None:
        """Says that the body has been read to its last byte, and nothing beyond it."""
        self._complete = True

    def __enter__(self) -> Loan:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.socket)
        if not self._complete:
            # The stream stands somewhere inside a body: no other request may use it.
            self._response.close()
            return
        self._response.content.feed_eof()
        self._transport.resume_reading()


def lend(response: aiohttp.ClientResponse) -> Loan | None:
    """Borrows the socket under an answer whose body has not been touched.

    Returns None where it cannot be done: TLS, a body of unknown length, or a transport
    of another kind. Then nothing has been read, and the body comes as usual.
    """
    connection = response.connection
    transport: Any = None if connection is None else connection.transport
    if transport is None or not isinstance(transport, asyncio.Transport):
        return None
    plain = transport.get_extra_info("ssl_object") is None
    socket = transport.get_extra_info("socket")
    framed = response.content_length is not None and not response.headers.get("Transfer-Encoding")
    content = response.content
    if not (plain and framed and socket is not None) or content.exception() is not None:
        return None
    # Nothing here awaits, so nothing can be read between the last piece and the pause.
    pieces = []
    while not content.at_eof() and (piece := content.read_nowait()):
        pieces.append(piece)
    transport.pause_reading()
    return Loan(response, transport, b"".join(pieces), os.dup(socket.fileno()))
