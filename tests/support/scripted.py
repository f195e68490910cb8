"""A server for what a real registry cannot be made to do: it answers by a script."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDict

from kitfast.registry import Credentials, Login, Registry
from kitfast.settings import Network

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BASIC = Login("somebody", "a secret")


@dataclass
class Seen:
    """One request as it came in: its line as it was on the wire, and its headers."""

    method: str
    target: str
    headers: CIMultiDict[str]


@dataclass
class Scripted:
    """A running server and all it was asked."""

    host: str
    seen: list[Seen] = field(default_factory=list)

    def asked(self, start: str = "") -> list[str]:
        """Returns `METHOD target` of all requests whose line starts so."""
        lines = [f"{one.method} {one.target}" for one in self.seen]
        return [line for line in lines if line.startswith(start)]


@asynccontextmanager
async def scripted(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    """Serves `handler` on 127.0.0.1, on a port of its own, and notes every request.

    Args:
        handler: Answers every request, whatever its path.
        tls: Makes it an HTTPS server.
    """
    server = Scripted("")

    async def answer(request: web.Request) -> web.StreamResponse:
        server.seen.append(Seen(request.method, request.raw_path, CIMultiDict(request.headers)))
        return await handler(request)

    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        server.host = f"127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def registry_at(server: Scripted, *, login: Login | None = None, **network: object) -> Registry:
    """Returns a registry that is the scripted server, over plain HTTP unless said."""
    options = {"plain_http": True} | network
    given = {} if login is None else {server.host: login}
    return Registry(server.host, Network(**options), Credentials(given=given, environ={}))  # type: ignore[arg-type]


async def read(
    registry: Registry, digest: str, size: int, start: int | None = None, end: int | None = None
) -> bytes:
    """Reads a blob of the repository `models/one`, or a range of it."""
    async with registry.get_blob("models/one", digest, start=start, end=end, size=size) as stream:
        return b"".join([chunk async for chunk in stream.chunks()])
