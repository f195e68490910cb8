"""What a blob stream promises: exactly the bytes asked for, or the reason why."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from tests.support.scripted import read, registry_at, scripted

from kitfast.errors import ConnectionFailed, KitfastError, ProtocolError, RegistryError

DATA = bytes(range(256)) * 1024
SIZE = len(DATA)
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


def answering(status: int, body: bytes, **headers: str) -> Callable[..., Awaitable[web.Response]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=named)

    return handler


def sending(
    body: bytes, length: int | None, then: float = 0.0
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Answers with a body of another length than announced, or with pauses."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if length is not None:
            response.content_length = length
        await response.prepare(request)
        await response.write(body)
        if then:
            await asyncio.sleep(then)
        if request.transport is not None and length is not None:
            request.transport.close()
        return response

    return handler


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-8/262144",
        "bytes 1-10/262144",
        "bytes 0-9/262143",
        "bytes 0-9",
        "0-9/262144",
        "bytes 0-99999999999999999999/262144",
        "bytes */262144",
        "",
    ],
)
async def test_another_range_than_asked_for(content_range: str) -> None:
    handler = answering(206, DATA[:10], Content_Range=content_range)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="instead of bytes 0-9/262144"):
            await read(registry, DIGEST, SIZE, 0, 10)


async def test_a_size_that_nobody_knows_is_no_lie() -> None:
    handler = answering(206, DATA[:10], Content_Range="bytes 0-9/*")
    async with scripted(handler) as server, registry_at(server) as registry:
        assert await read(registry, DIGEST, SIZE, 0, 10) == DATA[:10]
        assert server.seen[0].headers["Range"] == "bytes=0-9"
        assert server.seen[0].headers["Accept-Encoding"] == "identity"


async def test_a_length_that_does_not_fit_its_range() -> None:
    handler = answering(206, DATA[:11], Content_Range=f"bytes 0-9/{SIZE}")
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="announces 11 bytes instead of 10"):
            await read(registry, DIGEST, SIZE, 0, 10)


async def test_the_whole_blob_instead_of_a_range() -> None:
    async with (
        scripted(answering(200, DATA)) as server,
        registry_at(server) as registry,
        registry.get_blob("a", DIGEST, start=5, end=9, size=SIZE) as stream,
    ):
        assert (stream.whole, stream.status) == (True, 200)
        assert (stream.start, stream.end) == (0, SIZE)
        assert b"".join([chunk async for chunk in stream.chunks()]) == DATA


async def test_a_part_that_nobody_asked_for() -> None:
    handler = answering(206, DATA, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}")
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="nobody asked"):
            await read(registry, DIGEST, SIZE)


async def test_encoded_bodies_are_refused() -> None:
    handler = answering(200, DATA, Content_Encoding="gzip")
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="encoded"):
            await read(registry, DIGEST, SIZE)


async def test_more_bytes_than_announced() -> None:
    handler = sending(DATA + b"more", None)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="more than was asked for"):
            await read(registry, DIGEST, SIZE)


@pytest.mark.parametrize("length", [None, SIZE])
async def test_fewer_bytes_than_asked_for(length: int | None) -> None:
    handler = sending(DATA[:-1], length)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ConnectionFailed) as caught:
            await read(registry, DIGEST, SIZE)
        assert caught.value.transient


async def test_a_range_that_is_refused() -> None:
    async with scripted(answering(416, b"")) as server, registry_at(server) as registry:
        with pytest.raises(RegistryError) as caught:
            await read(registry, DIGEST, SIZE, 0, 10)
        assert (caught.value.status, caught.value.transient) == (416, False)


async def test_a_stall_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.blobs.STALL_SECONDS", 0.3)
    handler = sending(DATA[:1000], SIZE, then=5)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ConnectionFailed, match="no byte for") as caught:
            await asyncio.wait_for(read(registry, DIGEST, SIZE), 3)
        assert caught.value.transient


async def test_a_slow_reader_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.blobs.STALL_SECONDS", 0.1)
    async with scripted(answering(200, DATA)) as server, registry_at(server) as registry:
        async with registry.get_blob("a", DIGEST, size=SIZE) as stream:
            got = b""
            async for chunk in stream.chunks():
                got += chunk
                await asyncio.sleep(0.25)
        assert got == DATA


async def test_a_whole_read_leaves_its_connection_for_the_next() -> None:
    ports = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response(body=DATA)

    async with scripted(handler) as server, registry_at(server) as registry:
        for _ in range(3):
            assert await read(registry, DIGEST, SIZE) == DATA
        assert len(set(ports)) == 1
        async with registry.get_blob("a", DIGEST, size=SIZE) as stream:
            async for _ in stream.chunks():
                break
        assert await read(registry, DIGEST, SIZE) == DATA
        assert len(set(ports)) == 2, "a body that was left is not read to its end"


async def test_blob_bytes_are_verified_and_bounded() -> None:
    async with scripted(answering(200, DATA)) as server, registry_at(server) as registry:
        with pytest.raises(KitfastError, match="instead of sha256:0000"):
            await registry.blob_bytes("a", f"sha256:{'0' * 64}", SIZE)
        with pytest.raises(ProtocolError, match="longer than"):
            await registry.blob_bytes("a", DIGEST, SIZE - 1)
