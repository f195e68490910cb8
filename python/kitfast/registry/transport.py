"""Exchanges one HTTP request for one answer, in aiohttp; nothing is decided here."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from yarl import URL

from .. import _core
from ..errors import ProtocolError
from ..settings import Network
from . import tls
from .errcodes import Ask
from .proxies import Proxies
from .unreachable import connection_error

CONNECT_SECONDS = 30.0
# Pull-through caches fetch a blob whole before its first byte comes.
FIRST_BYTE_SECONDS = 300.0
# Signed storage addresses come in one header; 32 KiB holds the longest seen tenfold.
HEADER_LIMIT = 32 * 1024
HEADER_COUNT = 128

Body = bytes | aiohttp.Payload | None


class Transport:
    """The connections to one registry, its storage and its token server.

    An async context manager; everything else in this folder talks HTTP through it.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._reached: set[str] = set()
        self._proxies = Proxies(network.proxy)
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None
        self._making = asyncio.Lock()

    async def __aenter__(self) -> Transport:
        _core.keep_memory()
        self._session = aiohttp.ClientSession(
            # No limit here: the transfers' own budget grows and shrinks while they run.
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=None,
                sock_connect=CONNECT_SECONDS,
                sock_read=FIRST_BYTE_SECONDS,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": f"kitfast/{_core.__version__}",
                "Accept-Encoding": "identity",
            },
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=HEADER_COUNT,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def exchange(
        self,
        method: str,
        url: URL,
        *,
        ask: Ask,
        headers: Mapping[str, str],
        body: Body = None,
        with_identity: bool = False,
    ) -> aiohttp.ClientResponse:
        """Sends one request and returns the answer when its headers are there.

        Args:
            method: HTTP method.
            url: Where to; sent exactly as it is encoded.
            ask: What is asked, for errors.
            headers: Headers to send beside our own.
            body: Bytes, or a payload with its `Content-Length` among the headers.
            with_identity: Whether the peer may see our client certificate.

        Returns:
            The answer, whatever its status; the caller releases or closes it.

        Raises:
            ConnectionFailed: No answer came.
            ProtocolError: What came is not HTTP.
        """
        assert self._session is not None, "used outside its context"
        plain = url.scheme == "http"
        proxy = self._proxies.for_url(url)
        # A proxy may be spoken to over TLS whatever is asked of it.
        encrypted = not plain or (proxy is not None and proxy.scheme == "https")
        context = await self._context(with_identity) if encrypted else None
        peer = peer_of(url)
        try:
            response = await self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=proxy,
                ssl=context if context is not None else True,
            )
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            reached = peer in self._reached
            raise connection_error(error, ask, peer, plain_http=plain, reached=reached) from error
        self._reached.add(peer)
        return response

    async def _context(self, with_identity: bool) -> ssl.SSLContext:
        async with self._making:
            if with_identity not in self._contexts:
                self._contexts[with_identity] = await asyncio.to_thread(
                    tls.context, self.network, with_identity=with_identity
                )
        return self._contexts[with_identity]


def peer_of(url: URL) -> str:
    """Returns the host of an address as errors name it: with its port where one is written."""
    host = url.host_subcomponent or ""
    return host if url.explicit_port is None else f"{host}:{url.explicit_port}"


async def read_bounded(response: aiohttp.ClientResponse, limit: int, ask: Ask) -> bytes:
    """Reads a body that must not be longer than `limit` bytes, and frees the connection.

    Raises:
        ProtocolError: It is longer.
        ConnectionFailed: It broke off.
    """
    start = await read_start(response, limit + 1, ask)
    if len(start) > limit:
        raise ProtocolError(f"{ask}: the answer is longer than {limit} bytes")
    return start


async def read_start(response: aiohttp.ClientResponse, limit: int, ask: Ask) -> bytes:
    """Reads the first `limit` bytes of a body at most; closes the connection if more come."""
    parts = bytearray()
    try:
        async for chunk in response.content.iter_any():
            parts += chunk
            if len(parts) >= limit:
                response.close()
                break
        else:
            response.release()
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        plain = response.url.scheme == "http"
        peer = peer_of(response.url)
        raise connection_error(error, ask, peer, plain_http=plain) from error
    return bytes(parts[:limit])
