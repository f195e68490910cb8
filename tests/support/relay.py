"""Passes requests on to a registry: counts bytes, and damages or refuses as told."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web
from tests.support.scripted import Scripted, scripted

# What is between two hosts and not for the one behind.
HOP = ("Host", "Content-Length", "Transfer-Encoding", "Connection")


@dataclass
class Relay:
    """A registry behind a relay; what it does to answers may change at any time.

    `refuse` says with which status a path is refused, or 0; `change` makes another body of
    the body that a path's answer has, whose length must stay; `ranges` is off where Range
    headers are to be lost.
    """

    server: Scripted
    behind: str
    sent: int = 0
    ranges: bool = True
    refuse: Callable[[str], int] = field(default=lambda _: 0)
    change: Callable[[str, bytes], bytes] = field(default=lambda _, body: body)

    @property
    def host(self) -> str:
        """What references name it by."""
        return self.server.host

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Passes one request on."""
        status = self.refuse(request.path)
        if status:
            return web.Response(status=status, text="refused")
        dropped = HOP if self.ranges else (*HOP, "Range")
        headers = {k: v for k, v in request.headers.items() if k not in dropped}
        body = await request.read()
        async with ClientSession(auto_decompress=False) as client:
            asked = client.request(
                request.method,
                f"http://{self.behind}{request.raw_path}",
                data=io.BytesIO(body) if body else None,
                headers=headers,
                allow_redirects=False,
            )
            async with asked as got:
                data = self.change(request.path, await got.read())
                self.sent += len(data)
                kept = {k: v for k, v in got.headers.items() if k not in HOP}
                if request.method == "HEAD":
                    kept["Content-Length"] = got.headers.get("Content-Length", "0")
                return web.Response(status=got.status, headers=kept, body=data)


@asynccontextmanager
async def relaying(behind: str) -> AsyncIterator[Relay]:
    """Runs a relay before the registry at `behind`, on a port of its own."""
    relays: list[Relay] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        return await relays[0].answer(request)

    async with scripted(handler) as server:
        relays.append(Relay(server, behind))
        yield relays[0]
