"""Answers that come compressed unasked are refused, and called what they are."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from tests.support.scripted import BASIC, read, registry_at, scripted

from kitfast.errors import ProtocolError
from kitfast.registry import Registry

DATA = b'{"schemaVersion": 2, "manifests": [], "tags": [], "token": "t"}'
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"

ASKS: list[Callable[[Registry], Awaitable[object]]] = [
    lambda registry: registry.manifest("models/one", "v1"),
    lambda registry: registry.blob_bytes("models/one", DIGEST, len(DATA)),
    lambda registry: registry.tags("models/one"),
    lambda registry: registry.referrers("models/one", DIGEST, "a/b"),
    lambda registry: read(registry, DIGEST, len(DATA)),
]
NAMES = ["manifest", "config", "tags", "referrers", "blob"]


def encoded(request: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(DATA), headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("ask", ASKS, ids=NAMES)
async def test_all_that_is_read(ask: Callable[[Registry], Awaitable[object]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return encoded(request)

    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError) as caught:
            await ask(registry)
    assert f"{server.host} sends it encoded, which nobody asked for" in str(caught.value)
    assert "compression" in str(caught.value.hint)


@pytest.mark.parametrize("ask", ASKS, ids=NAMES)
async def test_what_says_that_it_is_not(ask: Callable[[Registry], Awaitable[object]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=DATA, headers={"Content-Encoding": "Identity"})

    async with scripted(handler) as server, registry_at(server) as registry:
        await ask(registry)


async def test_a_token() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/token":
            return encoded(request)
        challenge = f'Bearer realm="http://{request.host}/token",service="s"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    async with scripted(handler) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(ProtocolError, match=r"no token from 127\.0\.0\.1: .* sends it encoded"):
            await registry.tags("models/one")


async def test_where_only_headers_are_read_it_does_not_matter() -> None:
    async def handler(request: web.Request) -> web.Response:
        status = 201 if request.method == "PUT" else 200
        return web.Response(status=status, body=DATA, headers={"Content-Encoding": "gzip"})

    async with scripted(handler) as server, registry_at(server) as registry:
        assert await registry.put_manifest("models/one", "v1", DATA, "a/b") == DIGEST
        assert await registry.blob_size("models/one", DIGEST) == len(DATA)
