"""Exchanges one HTTP request for one answer, in aiohttp; nothing is decided here."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping

import aiohttp
from yarl import URL

from .. import _core
from ..errors import KitfastError, ProtocolError
from ..settings import Network
from . import tls
from .errcodes import Ask
from .proxies import Proxies
from .retry import asking, hurried, tell_pause
from .unreachable import connection_error, turned_away

# Linux asks again after 1, 3, 7 and 15 seconds: whoever lets all of that pass is not there.
CONNECT_SECONDS = 20.0
# A host that has taken no connection at all may have lost some packets, so that it is worth
# a second and a third try; all of it takes a minute, after which the address is to blame.
FIRST_CONTACT_SECONDS = 2.25 * CONNECT_SECONDS
# What was started together, such as a registry and the job that reads from it, comes up
# within seconds. No more of them, as a port that is mistyped must be told of soon.
REFUSED_PAUSES = (1.0, 1.5, 2.5)
# Pull-through caches fetch a blob whole before its first byte comes.
FIRST_BYTE_SECONDS = 300.0
# Everything else is looked up; gateways, which have seen slower ones, give it a minute, too.
ANSWER_SECONDS = 60.0
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
        self._sought: dict[str, float] = {}
        self._proxies = Proxies(network.proxy)
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None
        self._making = asyncio.Lock()

    async def __aenter__(self) -> Transport:
        _core.keep_memory()
        self._session = aiohttp.ClientSession(
            # No limit here: the transfers' own budget grows and shrinks while they run.
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=60),
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

        A host that refuses the first connections of all is given some seconds to come up;
        a request that was sent is not sent again.

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
        peer, proxy = peer_of(url), self._proxies.for_url(url)
        context = await self._context_for(url, proxy, with_identity)
        self._sought.setdefault(peer, time.monotonic())
        pauses = iter(() if hurried() else REFUSED_PAUSES)
        while True:
            try:
                response = await self._request(method, url, headers, body, proxy, context)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                failure = self._failure(error, ask, url)
                early = turned_away(error) and peer not in self._reached
                pause = next(pauses, None) if early else None
                if pause is None:
                    raise failure from error
                tell_pause(failure, pause)
            else:
                self._reached.add(peer)
                return response
            await asyncio.sleep(pause)

    def _failure(self, error: BaseException, ask: Ask, url: URL) -> KitfastError:
        """What is raised for a request without an answer."""
        peer = peer_of(url)
        reached = peer in self._reached
        late = time.monotonic() - self._sought[peer] >= FIRST_CONTACT_SECONDS
        return connection_error(
            error,
            ask,
            peer,
            plain_http=url.scheme == "http",
            reached=reached,
            given_up=late and not reached,
        )

    async def _request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: Body,
        proxy: URL | None,
        context: ssl.SSLContext | None,
    ) -> aiohttp.ClientResponse:
        assert self._session is not None, "used outside its context"
        return await self._session.request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=proxy,
            ssl=context if context is not None else True,
            timeout=_patience(method, url),
        )

    async def _context_for(
        self, url: URL, proxy: URL | None, with_identity: bool
    ) -> ssl.SSLContext | None:
        # A proxy may be spoken to over TLS whatever is asked of it.
        encrypted = url.scheme != "http" or (proxy is not None and proxy.scheme == "https")
        return await self._context(with_identity) if encrypted else None

    async def _context(self, with_identity: bool) -> ssl.SSLContext:
        async with self._making:
            if with_identity not in self._contexts:
                self._contexts[with_identity] = await asyncio.to_thread(
                    tls.context, self.network, with_identity=with_identity
                )
        return self._contexts[with_identity]


def _patience(method: str, url: URL) -> aiohttp.ClientTimeout:
    """How long a request may take to connect, and to bring its first and its next bytes.

    The bytes of blobs are not asked for in `retrying`, but for a few small ones.
    """
    small_blob = method == "GET" and "/blobs/" in url.path and "/blobs/uploads/" not in url.path
    soon = asking() and not small_blob
    return aiohttp.ClientTimeout(
        total=None,
        connect=None,
        sock_connect=CONNECT_SECONDS,
        sock_read=ANSWER_SECONDS if soon else FIRST_BYTE_SECONDS,
    )


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
