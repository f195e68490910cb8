"""Reads blobs and ranges of them, from the registry or the storage it points to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from ..errors import ConnectionFailed, ProtocolError, RangeRefused
from .auth import Scope, scope_for
from .errcodes import Ask, clean, refuse_encoded
from .loan import Loan, lend
from .session import Session
from .transport import peer_of
from .unreachable import connection_error

# A connection that brings nothing for this long is given up.
STALL_SECONDS = 30.0
# Whoever asks a second time because the first answer is late must not wait for it.
FINDING_SECONDS = 1.0

# What registries answer that serve no ranges, beside the whole blob.
_RANGE_REFUSALS = frozenset({400, 416, 501})

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


@dataclass
class BlobStream:
    """The bytes of a blob, or of one range of it, as they arrive; not verified.

    Attributes:
        status: 200 or 206.
        start: Offset of the first byte.
        end: Offset behind the last byte.
        whole: The registry ignored the range and sends the whole blob.
        peer: The host that sends it.
    """

    status: int
    start: int
    end: int
    whole: bool
    peer: str
    _response: aiohttp.ClientResponse = field(repr=False)
    _ask: Ask = field(repr=False)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the bytes as they come off the socket: exactly `end - start` of them.

        Time the caller takes between chunks is its own and never counts as a stall.

        Raises:
            ConnectionFailed: The connection broke, ended early, or brought nothing for
                `STALL_SECONDS`.
            ProtocolError: More bytes came than were announced.
        """
        left = self.end - self.start
        watch = _Watch(self._response)
        source = self._response.content.iter_any().__aiter__()
        try:
            while True:
                watch.waits()
                try:
                    chunk = await source.__anext__()
                except StopAsyncIteration:
                    break
                finally:
                    watch.rests()
                left -= len(chunk)
                if left < 0:
                    raise ProtocolError(f"{self._ask}: {self.peer} sent more than was asked for")
                yield chunk
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            if watch.stalled:
                raise self._broken(f"no byte for {STALL_SECONDS:.0f} seconds") from error
            plain = self._response.url.scheme == "http"
            raise connection_error(error, self._ask, self.peer, plain_http=plain) from error
        finally:
            watch.close()
        if left:
            raise self._broken(f"the connection ended {left} bytes early")

    def lend(self) -> Loan | None:
        """Lends the connection the bytes come over, instead of `chunks`; None where it cannot."""
        return lend(self._response)

    def _broken(self, reason: str) -> ConnectionFailed:
        return ConnectionFailed(f"{self._ask}: {self.peer}: {reason}", host=self._ask.host)


class _Watch:
    """Closes a response that brings nothing while somebody waits for it.

    One timer for a whole stream: a timeout around each chunk would cost more than the chunk.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.stalled = False
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer = self._loop.call_later(STALL_SECONDS, self._look)

    def waits(self) -> None:
        self._since = self._loop.time()

    def rests(self) -> None:
        self._since = None

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        waited = 0.0 if self._since is None else now - self._since
        if waited >= STALL_SECONDS:
            self.stalled = True
            self._response.close()
            return
        self._timer = self._loop.call_later(STALL_SECONDS - waited, self._look)


class Blobs:
    """Reads of one registry's blobs; remembers where each one is stored.

    The first read of a blob asks the registry, and the others wait for what it says: the
    registry itself, or a signed address elsewhere that then serves all of them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._places: dict[tuple[str, str], _Place] = {}

    @asynccontextmanager
    async def get(
        self, repository: str, digest: str, *, start: int | None, end: int | None, size: int
    ) -> AsyncIterator[BlobStream]:
        """Opens a blob, or the range from `start` to before `end`; see `Registry.get_blob`."""
        ask = Ask(self._session.host, f"read the blob {digest[:19]}", repository)
        headers = {}
        if start is not None or end is not None:
            start, end = start or 0, size if end is None else end
            if not 0 <= start < end <= size:
                raise ValueError(f"range {start}-{end} of a blob of {size} bytes")
            headers["Range"] = f"bytes={start}-{end - 1}"
        response = await self._open(repository, digest, headers, ask)
        try:
            yield self._stream(response, ask, start, end, size)
        finally:
            # Closes the connection unless all of the body was read; then it is kept.
            response.release()

    def _stream(
        self,
        response: aiohttp.ClientResponse,
        ask: Ask,
        start: int | None,
        end: int | None,
        size: int,
    ) -> BlobStream:
        peer = peer_of(response.url)
        refuse_encoded(response.headers, ask, peer)
        ranged = start is not None and end is not None
        if response.status == 206:
            if not ranged:
                raise ProtocolError(f"{ask}: {peer} sends a part, and nobody asked for one")
            assert start is not None and end is not None
            _check_range(response.headers.get("Content-Range", ""), start, end, size, ask, peer)
            stream = BlobStream(206, start, end, False, peer, response, ask)
        else:
            stream = BlobStream(200, 0, size, ranged, peer, response, ask)
        announced = response.content_length
        if announced is not None and announced != stream.end - stream.start:
            raise ProtocolError(
                f"{ask}: {peer} announces {announced} bytes instead of {stream.end - stream.start}"
            )
        return stream

    async def _open(
        self, repository: str, digest: str, headers: dict[str, str], ask: Ask
    ) -> aiohttp.ClientResponse:
        place = self._places.setdefault((repository, digest), _Place())
        own = self._session.addresses.blob(repository, digest)
        scope = scope_for(repository, "pull")
        for renewed in (False, True):
            try:
                response = await self._reach(place, own, headers, ask, scope)
            except ConnectionFailed:
                place.forget()
                raise
            if response.status in (200, 206):
                return response
            expired = response.status in (400, 401, 403) and response.url != own
            if renewed or not expired:
                break
            # A signed address lives for minutes: the registry gives a new one.
            response.close()
            place.forget(response.url)
        try:
            refusal = await self._session.refusal(response, ask)
            if "Range" in headers and response.status in _RANGE_REFUSALS:
                raise RangeRefused(str(refusal), status=response.status) from refusal
            raise refusal
        finally:
            response.close()

    async def _reach(
        self, place: _Place, own: URL, headers: dict[str, str], ask: Ask, scope: Scope
    ) -> aiohttp.ClientResponse:
        address = await place.found()
        if address is not None:
            return await self._session.open("GET", address, ask=ask, scope=scope, headers=headers)
        with place.finding():
            response = await self._session.open("GET", own, ask=ask, scope=scope, headers=headers)
            if response.status in (200, 206):
                place.address = response.url
            return response


@dataclass
class _Place:
    """Where one blob is read: unknown, the registry's own address, or the storage's."""

    address: URL | None = None
    _asking: asyncio.Future[None] | None = None

    async def found(self) -> URL | None:
        """The address; waits for whoever asks for it now, but not for an answer that hangs."""
        until = asyncio.get_running_loop().time() + FINDING_SECONDS
        while self.address is None and self._asking is not None:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait({self._asking}, timeout=left)
        return self.address

    @contextmanager
    def finding(self) -> Iterator[None]:
        """Lets others wait for the address while the block asks for it."""
        asking = self._asking = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            asking.set_result(None)
            if self._asking is asking:
                self._asking = None

    def forget(self, address: URL | None = None) -> None:
        """Makes the next read ask the registry; a given address only if it is still the one."""
        if address is None or self.address == address:
            self.address = None


def _check_range(value: str, start: int, end: int, size: int, ask: Ask, peer: str) -> None:
    """Holds a `Content-Range` (RFC 9110 §14.4) to what was asked for.

    Raises:
        RangeRefused: It is the begin of that range.
        ProtocolError: It is anything else but exactly that range of a blob of that size.
    """
    match = _CONTENT_RANGE.fullmatch(value.strip())
    said = match and (int(match[1]), int(match[2]) + 1)
    whole = match and (match[3] == "*" or int(match[3]) == size)
    if said != (start, end) or not whole:
        cut = said is not None and whole and said[0] == start and start < said[1] < end
        kind = RangeRefused if cut else ProtocolError
        raise kind(
            f"{ask}: {peer} sends {clean(value, 60) or 'an unnamed range'} "
            f"instead of bytes {start}-{end - 1}/{size}"
        )
