"""How an upload takes odd registries: lost chunks, moved locations, one-PUT hosts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from unittest.mock import Mock

import pytest
from aiohttp import ClientConnectionError, web
from aiohttp.abc import AbstractStreamWriter
from tests.support.scripted import BASIC, Scripted, registry_at, scripted

from kitfast.errors import ConnectionFailed, DigestMismatch, ProtocolError, RegistryError
from kitfast.registry import Upload
from kitfast.registry.outlet import Feed
from kitfast.registry.uploads import MONOLITHIC

DATA = b"0123456789"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"

Answer = Callable[[web.Request], web.Response]


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def uploading(
    stack: AsyncExitStack, answer: Answer, location: str = "/up/1?state=a%2Fb%3D", **more: str
) -> tuple[Scripted, Upload]:
    headers = {name.replace("_", "-"): value for name, value in more.items()}

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": location} | headers)
        return answer(request)

    server = await stack.enter_async_context(scripted(handler))
    registry = await stack.enter_async_context(registry_at(server, login=BASIC))
    upload = await registry.start_upload("models/one")
    assert upload is not None
    return server, upload


def taking(status: int = 202, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, headers=named)


async def test_each_answer_moves_the_location() -> None:
    async with AsyncExitStack() as stack:
        server, upload = await uploading(stack, taking(Location="next?n=%3D", Range="0-4"))
        await upload.patch(pieces(DATA[:5]), 5)
        with pytest.raises(RegistryError):
            await upload.put(DIGEST)
        wanted = f"PUT /up/next?n=%3D&digest=sha256%3A{DIGEST[7:]}"
        assert server.asked()[1:] == ["PATCH /up/1?state=a%2Fb%3D", wanted]
        assert server.seen[1].headers["Content-Range"] == "0-4"
        assert server.seen[1].headers["Content-Length"] == "5"


async def test_a_registry_that_takes_a_part_for_the_whole() -> None:
    """ECR answers a PATCH with 201 and has lost its bytes."""
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(201))
        with pytest.raises(ProtocolError, match="for the whole blob") as caught:
            await upload.patch(pieces(DATA), 10)
        assert upload.monolithic and caught.value.transient


async def test_a_range_that_does_not_advance() -> None:
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(Location="/up/2", Range="0-0"))
        with pytest.raises(ProtocolError, match="holds 0 bytes instead of 10") as caught:
            await upload.patch(pieces(DATA), 10)
        assert upload.monolithic and caught.value.transient
        assert upload.offset == 0


async def test_a_range_that_advances_less() -> None:
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(Location="/up/2", Range="0-3"))
        with pytest.raises(ProtocolError, match="holds 4 bytes instead of 10"):
            await upload.patch(pieces(DATA), 10)
        assert not upload.monolithic
        assert upload.offset == 4


@pytest.mark.parametrize("said", [None, "nonsense", "5-9", "0-99999999999999999999"])
async def test_a_range_that_says_nothing_is_believed_to_be_all(said: str | None) -> None:
    headers = {} if said is None else {"Range": said}
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(Location="/up/2", **headers))
        await upload.patch(pieces(DATA), 10)
        assert upload.offset == 10


async def test_no_location_is_an_error() -> None:
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(Range="0-9"))
        with pytest.raises(ProtocolError, match="names no address"):
            await upload.patch(pieces(DATA), 10)


async def test_another_digest_is_an_error() -> None:
    other = f"sha256:{'0' * 64}"
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(201, Docker_Content_Digest=other))
        with pytest.raises(DigestMismatch):
            await upload.put(DIGEST, pieces(DATA), 10)


@pytest.mark.parametrize(
    ("said", "least"), [("1048576", 1 << 20), ("-1", 0), ("x", 0), ("9" * 50, 0), ("", 0)]
)
async def test_the_shortest_chunk(said: str, least: int) -> None:
    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(), OCI_Chunk_Min_Length=said)
        assert upload.min_chunk == least


async def test_another_host_takes_the_bytes_without_authorization() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=201)

    async with scripted(elsewhere) as other, AsyncExitStack() as stack:
        location = f"http://{other.host}/bucket/x?sig=%2B"
        _, upload = await uploading(stack, taking(500), location)
        await upload.put(DIGEST, pieces(DATA), 10)
        assert other.seen[0].target == f"/bucket/x?sig=%2B&digest=sha256%3A{DIGEST[7:]}"
        assert "Authorization" not in other.seen[0].headers


@pytest.mark.parametrize(
    ("host", "monolithic"),
    [
        ("1234.dkr.ecr.eu-west-1.amazonaws.com", True),
        ("1234.dkr.ecr.cn-north-1.amazonaws.com.cn", True),
        ("ghcr.io", True),
        ("europe-docker.pkg.dev", True),
        ("eu.gcr.io", True),
        ("gcr.io", True),
        ("registry.test", False),
        ("ghcr.io.evil.test", False),
        ("notghcr.io", False),
    ],
)
def test_hosts_that_want_one_put(host: str, monolithic: bool) -> None:
    assert (MONOLITHIC.fullmatch(host) is not None) is monolithic


async def test_a_registry_that_stops_taking_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.uploads.STALL_SECONDS", 0.3)

    async def handler(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/up/1"})
        await asyncio.sleep(10)
        return web.Response()

    length = 64 << 20
    async with scripted(handler) as server, registry_at(server) as registry:
        upload = await registry.start_upload("models/one")
        assert upload is not None
        body = pieces(*[bytes(1 << 20)] * 64)
        with pytest.raises(ConnectionFailed, match="took no byte"):
            await asyncio.wait_for(upload.patch(body, length), 5)


async def test_a_slow_source_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.uploads.STALL_SECONDS", 0.1)

    async def slow() -> AsyncIterator[bytes]:
        for at in range(10):
            await asyncio.sleep(0.05 if at else 0.4)
            yield DATA[at : at + 1]

    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking(Location="/up/2", Range="0-9"))
        await upload.patch(slow(), 10)
        assert upload.offset == 10


async def test_a_cancelled_upload_ends_at_once() -> None:
    async def forever() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    async with AsyncExitStack() as stack:
        _, upload = await uploading(stack, taking())
        sending = asyncio.create_task(upload.patch(forever(), 1 << 30))
        await asyncio.sleep(0.1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(sending, 2)


async def test_a_body_is_not_sent_over_a_second_connection() -> None:
    """Before 3.14 aiohttp tries a PUT whose connection broke again, with the same payload."""
    feed, writer = Feed(pieces(DATA), 10), Mock(spec=AbstractStreamWriter)
    payload = feed.payload()
    await payload.write_with_length(writer, None)
    with pytest.raises(ClientConnectionError, match="a connection that broke"):
        await payload.write_with_length(writer, None)
    assert writer.write.await_count == 1
    assert feed.complete and feed.failure is None


async def test_a_refusal_is_heard_although_the_connection_broke() -> None:
    class Breaks:
        """A body whose sending learns of the closed socket before it learns of the answer."""

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def send(self, socket: int, taken: Callable[[int, bool], None]) -> None:
            try:
                await asyncio.sleep(5)
            finally:
                raise ConnectionFailed("the connection: Broken pipe", transient=True)

    async def handler(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/up/1"})
        return web.Response(status=413)

    async with scripted(handler) as server, registry_at(server) as registry:
        upload = await registry.start_upload("models/one")
        assert upload is not None
        with pytest.raises(RegistryError) as caught:
            await asyncio.wait_for(upload.patch(Breaks(), 1 << 20), 4)
        assert caught.value.status == 413
