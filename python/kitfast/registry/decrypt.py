"""Decrypts the body of an answer on a thread, straight from its socket.

asyncio decrypts on the loop, so that all connections together get one core, and copies
each record twice on its way. Here a thread takes what asyncio holds of a connection, its
TLS object with the buffers on both sides of it, reads the socket and decrypts into one
buffer that is used again and again. OpenSSL works without the GIL, so that connections
use as many cores as there are.

None of those parts is public. Where one is missing or of another kind (uvloop, Python
3.10) a connection does not fit, and its body comes through asyncio. While they are lent,
asyncio holds empty ones: whatever it does then, it touches nothing that a thread uses.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from .._core import Meter
from ..errors import Cancelled, ConnectionFailed

# Both fit a core's second cache together: the bytes are still warm when they are written.
READ = 128 * 1024
BUFFER = 256 * 1024
# How often a silent socket is left to look at the meter.
LOOK_MILLISECONDS = 50
# Bytes are not held back longer than this for a fuller buffer.
HOLD_SECONDS = 0.25


class Receiver(Protocol):
    """Where the bytes of a body go; the core's `Landing` is one."""

    def write(self, offset: int, data: bytes | bytearray, length: int | None = None) -> None: ...
    def receive(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> int: ...


class _Nothing:
    """Stands in for a TLS object that is lent: it has nothing to read and takes nothing."""

    def read(self, *arguments: object) -> int:
        raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "lent")

    write = do_handshake = unwrap = read


class Encrypted:
    """A TLS connection of asyncio whose parts are lent to a thread."""

    def __init__(self, transport: Any) -> None:
        """Takes the parts of a transport that fits, and has asyncio leave the socket alone."""
        protocol = transport._ssl_protocol
        self._protocol = protocol
        self._raw: asyncio.Transport = protocol._transport
        self._tls: ssl.SSLObject = protocol._sslobj
        self._incoming: ssl.MemoryBIO = protocol._incoming
        self._outgoing: ssl.MemoryBIO = protocol._outgoing
        # First what may fail: without descriptors, asyncio keeps all its parts.
        self._socket = socket.socket(fileno=os.dup(self._raw.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        transport.pause_reading()
        self._raw.pause_reading()
        # Or asyncio would read on, to fill the empty buffer that it is given now.
        protocol._ssl_reading_paused = False
        protocol._sslobj = _Nothing()
        protocol._incoming, protocol._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._read = memoryview(bytearray(READ))

    @staticmethod
    def fits(transport: Any) -> bool:
        """Whether this is a transport whose parts are known, with nothing left to send."""
        protocol = getattr(transport, "_ssl_protocol", None)
        raw = getattr(protocol, "_transport", None)
        outgoing = getattr(protocol, "_outgoing", None)
        return (
            isinstance(getattr(protocol, "_sslobj", None), ssl.SSLObject)
            and isinstance(getattr(protocol, "_incoming", None), ssl.MemoryBIO)
            and isinstance(outgoing, ssl.MemoryBIO)
            and hasattr(protocol, "_ssl_reading_paused")
            and isinstance(raw, asyncio.Transport)
            # A proxy's TLS may lie around it.
            and raw.get_extra_info("ssl_object") is None
            and not transport.is_closing()
            and not raw.is_closing()
            and transport.get_write_buffer_size() == 0
            and raw.get_write_buffer_size() == 0
        )

    def carry(self, landing: Receiver, offset: int, length: int, meter: Meter) -> int:
        """Reads the body as `Loan.carry` says."""
        buffer = bytearray(min(BUFFER, length))
        end = offset + length
        at = offset
        while at < end:
            wanted = min(BUFFER, end - at)
            try:
                count, ended = self._fill(memoryview(buffer)[:wanted], meter)
            except OSError as error:
                raise ConnectionFailed(f"the connection: {error}") from error
            if count:
                begun = monotonic()
                landing.write(at, buffer, count)
                meter.wrote(monotonic() - begun)
                meter.add(count)
                at += count
            if ended:
                break
        return at - offset

    def give_back(self) -> bool:
        """Gives asyncio its parts again; whether the stream stands where an answer ends.

        What came behind the body belongs to no request, so such a connection is not used
        again.
        """
        clean = not (self._incoming.pending or self._tls.pending())
        self._socket.close()
        protocol = self._protocol
        stray = protocol._incoming.pending
        protocol._sslobj = self._tls
        protocol._incoming, protocol._outgoing = self._incoming, self._outgoing
        self._raw.resume_reading()
        return clean and not stray

    def _fill(self, buffer: memoryview, meter: Meter) -> tuple[int, bool]:
        """Decrypts into a buffer until it is full or holds bytes for too long.

        Returns the bytes in it, and whether the other side has ended the stream.
        """
        read: Callable[[int, memoryview], int] = self._tls.read  # type: ignore[assignment]
        size = len(buffer)
        held, begun = 0, monotonic()
        while held < size:
            try:
                count = read(size - held, buffer[held:])
            except ssl.SSLWantReadError:
                if not self._take(meter):
                    return held, True
                if monotonic() - begun > HOLD_SECONDS:
                    break
                continue
            if not count:
                return held, True
            held += count
        return held, False

    def _take(self, meter: Meter) -> bool:
        """Moves what the socket has to the TLS object; waits a moment where it has nothing.

        Returns whether there can be more: False when the other side has ended the stream.
        """
        if meter.cancelled:
            raise Cancelled("cancelled")
        if self._outgoing.pending:
            # A new key that the other side asked for: a few bytes, and nothing before them.
            self._socket.sendall(self._outgoing.read())
        try:
            count = self._socket.recv_into(self._read)
        except BlockingIOError:
            begun = monotonic()
            self._poll.poll(LOOK_MILLISECONDS)
            meter.waited(monotonic() - begun)
            return True
        self._incoming.write(self._read[:count])
        return count > 0
