"""Lends the connection under an answer, so that its body is read on a thread.

aiohttp makes a bytes object of every 64 to 256 KiB and walks it through its parser and
three layers of Python: at a gigabyte a second that alone fills a core. For a body of
known length none of it is needed. What aiohttp has read already is handed out first;
then the transport stops reading, and whoever borrows the connection reads on: the core
from a plain socket, `decrypt` through TLS. Given back after exactly the announced bytes,
the connection is kept and used again.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any, Protocol

import aiohttp

from .._core import Meter
from .decrypt import Encrypted, Receiver


class Line(Protocol):
    """The connection itself, while it is lent."""

    def carry(self, landing: Receiver, offset: int, length: int, meter: Meter) -> int: ...
    def give_back(self) -> bool: ...


class Loan:
    """A borrowed connection; a context manager that gives it back.

    Attributes:
        first: The bytes of the body that had been read before.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, transport: asyncio.Transport, line: Line | None
    ) -> None:
        """Borrows what is under `response`; None for a line whose body has ended already."""
        self.first = b""
        self._response = response
        self._transport = transport
        self._line = line
        self._complete = False

    def carry(self, landing: Receiver, offset: int, length: int, meter: Meter) -> int:
        """Reads the rest of the body into a landing; blocks, so it is called on a thread.

        Args:
            landing: Where the bytes go.
            offset: Where in the blob they belong.
            length: How many to read.
            meter: Counts them as they come, and can end it early.

        Returns:
            How many came; fewer when the other side ended the stream.

        Raises:
            ConnectionFailed: The connection broke.
            Cancelled: The meter was cancelled.
            KitfastError: What the landing raises.
        """
        return 0 if self._line is None else self._line.carry(landing, offset, length, meter)

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
        usable = self._line is None or self._line.give_back()
        if not (usable and self._complete):
            # The stream stands somewhere inside a body: no other request may use it, and
            # TLS need not wait for a word of farewell.
            self._response.close()
            self._transport.abort()
        elif self._line is not None:
            self._response.content.feed_eof()
            self._transport.resume_reading()


class _Plain:
    """A socket without TLS, which the core reads by itself."""

    def __init__(self, transport: asyncio.Transport) -> None:
        transport.pause_reading()
        self._socket = os.dup(transport.get_extra_info("socket").fileno())

    def carry(self, landing: Receiver, offset: int, length: int, meter: Meter) -> int:
        return landing.receive(self._socket, offset, length, meter)

    def give_back(self) -> bool:
        os.close(self._socket)
        return True


def lend(response: aiohttp.ClientResponse) -> Loan | None:
    """Borrows the connection under an answer whose body has not been touched.

    Returns None where it cannot be done: a body of unknown length, or a transport of
    another kind. Then nothing has been read, and the body comes as usual.
    """
    connection = response.connection
    transport: Any = None if connection is None else connection.transport
    if transport is None or not isinstance(transport, asyncio.Transport):
        return None
    framed = response.content_length is not None and not response.headers.get("Transfer-Encoding")
    content = response.content
    socket = transport.get_extra_info("socket")
    if not framed or socket is None or content.exception() is not None:
        return None
    encrypted = transport.get_extra_info("ssl_object") is not None
    if encrypted and not Encrypted.fits(transport):
        return None
    # Nothing here awaits, so nothing can be read between the last piece and the loan.
    pieces = []
    while not content.at_eof() and (piece := content.read_nowait()):
        pieces.append(piece)
    line: Line | None = None
    if not content.at_eof():
        line = Encrypted(transport) if encrypted else _Plain(transport)
    loan = Loan(response, transport, line)
    loan.first = b"".join(pieces)
    return loan
