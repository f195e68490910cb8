"""Uploads one blob: opened by a POST, filled by PATCHes in order, closed by a PUT."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

from multidict import CIMultiDictProxy
from yarl import URL

from ..errors import ConnectionFailed, DigestMismatch, ProtocolError, RegistryError
from .addresses import location
from .auth import Scope
from .errcodes import Ask, clean
from .outlet import Feed
from .session import Session

# Hosts that take a blob in one PUT only. ECR answers a PATCH with 201 and loses its bytes,
# GHCR refuses one of more than 4 MiB, Google knows no chunked upload at all.
MONOLITHIC = re.compile(r"(?:.*\.)?(?:amazonaws\.com(?:\.cn)?|ghcr\.io|pkg\.dev|gcr\.io)")
# A registry that takes no byte for this long has lost the connection.
STALL_SECONDS = 60.0
LONGEST_CHUNK = 1 << 40

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")


class Upload:
    """One blob on its way in; not safe for two calls at once, as chunks go in order.

    Attributes:
        host: The host that takes the bytes.
        min_chunk: The fewest bytes a PATCH may carry, the last one excepted.
        monolithic: The blob must go in one PUT; set when a PATCH shows it, too.
        offset: How many bytes the registry says it has.
    """

    def __init__(
        self, session: Session, repository: str, scope: Scope, at: URL, min_chunk: int
    ) -> None:
        self.host = at.host or ""
        self.min_chunk = min_chunk
        self.monolithic = MONOLITHIC.fullmatch(self.host) is not None
        self.offset = 0
        self._session = session
        self._repository = repository
        self._scope = scope
        self._at = at

    async def patch(self, body: AsyncIterator[bytes], length: int) -> None:
        """Sends the next `length` bytes.

        Nothing is tried again: after a failure that is `transient`, `status` says where to
        go on. A registry that does not keep chunks sets `monolithic`.

        Args:
            body: Yields exactly `length` bytes; where it is `Sendable`, it may be told to
                write them to the socket itself.
            length: How many.

        Raises:
            RegistryError: The registry refused; 404 when it has lost the upload.
            ProtocolError: The registry did not keep the chunk, or says something else than
                what was sent; `transient` when going on from `offset` may help.
            ConnectionFailed: The connection broke or took no bytes.
        """
        ask = self._ask("upload a part of a blob")
        end = self.offset + length
        headers = _octets(length) | {"Content-Range": f"{self.offset}-{end - 1}"}
        feed = Feed(body, length)
        answer = await self._send("PATCH", self._at, ask, headers, feed, (202, 201, 204))
        if answer[0] == 201:
            self.monolithic = True
            raise ProtocolError(
                f"{ask}: {self.host} took the part for the whole blob", transient=True
            )
        self._moved(answer[1], ask)
        if not feed.complete:
            raise ProtocolError(
                f"{ask}: {self.host} answered before it had all of the part", transient=True
            )
        held = _held(answer[1].get("Range"), end)
        if held != end:
            self.monolithic = self.monolithic or held <= self.offset
            self.offset = held
            raise ProtocolError(
                f"{ask}: {self.host} holds {held} bytes instead of {end}", transient=True
            )
        self.offset = end

    async def put(
        self, digest: str, body: AsyncIterator[bytes] | None = None, length: int = 0
    ) -> None:
        """Closes the upload, after the last PATCH or with the whole blob as its body.

        Nothing is tried again: when the connection breaks, the blob may be there or not.

        Args:
            digest: The blob's digest, which the registry verifies.
            body: For a monolithic upload, yields the whole blob.
            length: Its size.

        Raises:
            RegistryError: The registry refused.
            DigestMismatch: It reports another digest.
            ConnectionFailed: The connection broke.
        """
        ask = self._ask(f"finish the upload of the blob {digest[:19]}")
        query = "&".join(p for p in (self._at.raw_query_string, urlencode({"digest": digest})) if p)
        url = URL(f"{str(self._at).partition('?')[0]}?{query}", encoded=True)
        feed = None if body is None else Feed(body, length)
        answer = await self._send("PUT", url, ask, _octets(length), feed, (201, 204))
        reported = answer[1].get("Docker-Content-Digest") or digest
        if reported.partition(":")[0] == digest.partition(":")[0] and reported != digest:
            raise DigestMismatch(
                f"{ask}: {self.host} has {clean(reported, 80)}",
                expected=digest,
                actual=clean(reported, 160),
            )

    async def status(self) -> int:
        """Asks how many bytes the registry has, and goes on from there.

        Returns:
            The new `offset`.

        Raises:
            NotInRegistry: The upload is lost: open a new one.
        """
        ask = self._ask("ask for the state of an upload")
        answer = await self._session.fetch(
            "GET", self._at, ask=ask, scope=self._scope, expect=(204, 200, 202)
        )
        if answer.headers.get("Location"):
            self._moved(answer.headers, ask)
        self.offset = _held(answer.headers.get("Range"), 0)
        return self.offset

    async def cancel(self) -> None:
        """Gives the upload up, so that the registry can throw its bytes away.

        Raises:
            RegistryError: The registry keeps it; it expires by itself.
        """
        ask = self._ask("cancel an upload")
        await self._session.fetch(
            "DELETE", self._at, ask=ask, scope=self._scope, expect=(204, 202, 200, 404)
        )

    def _ask(self, what: str) -> Ask:
        return Ask(self._session.host, what, self._repository)

    def _moved(self, headers: Mapping[str, str], ask: Ask) -> None:
        """Takes over the newest Location: it carries the upload's state."""
        plain = self._session.network.plain_http
        self._at = location(self._at, headers.get("Location"), ask, plain_http=plain)
        self.host = self._at.host or ""

    async def _send(
        self,
        method: str,
        url: URL,
        ask: Ask,
        headers: dict[str, str],
        feed: Feed | None,
        expect: tuple[int, ...],
    ) -> tuple[int, CIMultiDictProxy[str]]:
        sending = asyncio.ensure_future(self._exchange(method, url, ask, headers, feed, expect))
        try:
            while feed is not None and not sending.done():
                seen = feed.handed
                await asyncio.wait({sending}, timeout=STALL_SECONDS)
                if not sending.done() and feed.stuck(seen):
                    raise ConnectionFailed(
                        f"{ask}: {url.host} took no byte for {STALL_SECONDS:.0f} seconds",
                        host=ask.host,
                    )
            return await sending
        except Exception as error:
            # aiohttp wraps what the body raises: the reader's own error says more.
            failure = None if feed is None else feed.failure
            if isinstance(failure, ConnectionFailed):
                if isinstance(error, RegistryError):
                    raise  # the registry has said why it takes no more
                raise ConnectionFailed(
                    f"{ask}: {url.host}: {failure}", host=ask.host, transient=True
                ) from error
            if failure is not None:
                raise failure from error
            raise
        finally:
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            if feed is not None:
                await feed.stop()

    async def _exchange(
        self,
        method: str,
        url: URL,
        ask: Ask,
        headers: dict[str, str],
        feed: Feed | None,
        expect: tuple[int, ...],
    ) -> tuple[int, CIMultiDictProxy[str]]:
        body = None if feed is None else feed.payload()
        sent = self._session.send(
            method, url, ask=ask, scope=self._scope, expect=expect, headers=headers, body=body
        )
        async with sent as response:
            if feed is not None:
                await feed.ended.wait()
            return response.status, response.headers


def opened(
    session: Session, repository: str, scope: Scope, base: URL, headers: Mapping[str, str], ask: Ask
) -> Upload:
    """Makes the upload a registry has opened.

    Args:
        session: The conversation it belongs to.
        repository: Where the blob goes.
        scope: What its token must allow.
        base: The address that answered.
        headers: The answer's headers.
        ask: What was asked, for errors.

    Raises:
        ProtocolError: There is no usable Location.
    """
    plain = session.network.plain_http
    at = location(base, headers.get("Location"), ask, plain_http=plain)
    asked = headers.get("OCI-Chunk-Min-Length", "0").strip()
    usable = asked.isascii() and asked.isdigit() and len(asked) < 16
    return Upload(session, repository, scope, at, min(int(asked), LONGEST_CHUNK) if usable else 0)


def _octets(length: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Length": str(length)}


def _held(value: str | None, expected: int) -> int:
    """Reads a `Range` of an upload: how many bytes are there; `expected` when it says nothing.

    `0-0` means none as well as one: Distribution writes it for both.
    """
    match = _RANGE.fullmatch(value.strip()) if value is not None else None
    if match is None:
        return expected
    last = int(match[1])
    return expected if last == 0 and expected == 1 else last + 1 if last else 0
