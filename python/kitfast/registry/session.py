"""Sends requests to one registry: lets itself in, follows redirects, tries again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from ..errors import ConnectionFailed, ProtocolError, RegistryError
from ..settings import Network
from . import tls
from .addresses import Addresses, location, same_origin
from .auth import Authorizer, Scope
from .credentials import Credentials
from .errcodes import BODY_LIMIT, Ask, error_for, refuse_encoded
from .retry import refused, retrying, transient
from .transport import Body, Transport, peer_of, read_bounded, read_start

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """A whole answer: status, headers, body, and the address that gave it."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: URL


class Session:
    """One registry's conversation; an async context manager, shared by all transfers."""

    def __init__(self, host: str, network: Network, credentials: Credentials) -> None:
        self.host = host
        self.network = network
        self.addresses = Addresses(host, network)
        self.transport = Transport(network)
        self._authorizer = Authorizer(host, network, credentials, self.transport)

    async def __aenter__(self) -> Session:
        await tls.check(self.network)
        await self.transport.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._authorizer.close()
        await self.transport.__aexit__(*exception)

    async def fetch(
        self,
        method: str,
        url: URL,
        *,
        ask: Ask,
        scope: Scope,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """Makes a small request and reads its whole answer, trying again where that is safe.

        A POST is only repeated when the registry turned it away before doing anything.

        Args:
            method: HTTP method.
            url: Where to.
            ask: What is asked, for errors.
            scope: What a token must allow.
            expect: The statuses that are answers, not errors.
            headers: Headers to send.
            body: A body to send.
            limit: The longest body to take.

        Raises:
            RegistryError: The registry refused, for good or until patience ran out.
            ProtocolError: The body is too long, or encoded.
            ConnectionFailed: No connection held.
        """

        async def once() -> Answer:
            sent = self.send(
                method, url, ask=ask, scope=scope, expect=expect, headers=headers, body=body
            )
            async with sent as response:
                if method == "GET":
                    # Nobody looks into the bodies of the others.
                    refuse_encoded(response.headers, ask, peer_of(response.url))
                taken = b"" if method == "HEAD" else await read_bounded(response, limit, ask)
                return Answer(response.status, response.headers, taken, response.url)

        return await retrying(once, may_retry=refused if method == "POST" else transient)

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: URL,
        *,
        ask: Ask,
        scope: Scope,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Makes one request, with redirects and authorization, and hands over the answer.

        Nothing is tried again but a request that was not let in, once. A body that is a
        payload cannot be sent twice, so its token is made fresh beforehand.

        Raises:
            RegistryError: The status is not one of `expect`.
            ConnectionFailed: No answer came.
        """
        response = await self.open(method, url, ask=ask, scope=scope, headers=headers, body=body)
        try:
            if response.status not in expect:
                raise await self.refusal(response, ask)
            yield response
        except BaseException:
            # What is left of the body is not worth reading: free the connection at once.
            response.close()
            raise
        finally:
            response.release()

    async def refusal(self, response: aiohttp.ClientResponse, ask: Ask) -> RegistryError:
        """Makes the exception for an answer nobody wanted, from the start of its body."""
        body = await read_start(response, BODY_LIMIT, ask)
        plain = response.url.scheme == "http"
        own = same_origin(response.url, self.addresses.root)
        return error_for(
            response.status,
            response.headers,
            body,
            ask,
            self.network,
            plain_http=plain,
            storage=None if own else peer_of(response.url),
        )

    async def open(
        self,
        method: str,
        url: URL,
        *,
        ask: Ask,
        scope: Scope,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> aiohttp.ClientResponse:
        """Makes one request, with redirects and authorization, and returns any answer.

        The caller releases it. `Authorization` goes to the registry alone: never to the
        storage it redirects to. A body is never redirected.

        Raises:
            AuthenticationFailed: There is no way to be let in.
            ProtocolError: A redirect leads in a circle or away from TLS.
            ConnectionFailed: No answer came.
        """
        headers = dict(headers or {})
        seen = {url}
        while True:
            try:
                response = await self._authorized(method, url, ask, scope, headers, body)
            except ConnectionFailed as error:
                await tls.explain(error)
                raise
            if response.status not in REDIRECTS:
                return response
            response.close()
            if body is not None:
                raise ProtocolError(f"{ask}: redirected in the middle of an upload")
            plain = self.network.plain_http
            url = location(url, response.headers.get("Location"), ask, plain_http=plain)
            if url in seen or len(seen) > MAX_REDIRECTS:
                raise ProtocolError(f"{ask}: redirected in a circle, at {url.host}")
            seen.add(url)

    async def _authorized(
        self, method: str, url: URL, ask: Ask, scope: Scope, headers: dict[str, str], body: Body
    ) -> aiohttp.ClientResponse:
        """One exchange; to the registry itself with what lets us in, to others without."""
        if not same_origin(url, self.addresses.root):
            return await self.transport.exchange(method, url, ask=ask, headers=headers, body=body)
        shown = await self._authorizer.header(scope, ask)
        response = await self._own(method, url, ask, headers, body, shown)
        if response.status != 401:
            return response
        challenges = response.headers.getall("WWW-Authenticate", [])
        try:
            renewed = await self._authorizer.answer(challenges, scope, shown, ask)
            if renewed is None:
                raise await self.refusal(response, ask)
        finally:
            response.close()
        if body is not None and not isinstance(body, bytes):
            raise self._authorizer.interrupted(ask)
        response = await self._own(method, url, ask, headers, body, renewed)
        if response.status == 401:
            try:
                raise await self._authorizer.refusal(await self.refusal(response, ask), ask)
            finally:
                response.close()
        return response

    async def _own(
        self,
        method: str,
        url: URL,
        ask: Ask,
        headers: dict[str, str],
        body: Body,
        shown: str | None,
    ) -> aiohttp.ClientResponse:
        sent = {**headers, "Authorization": shown} if shown else headers
        return await self.transport.exchange(
            method, url, ask=ask, headers=sent, body=body, with_identity=True
        )
