"""Hosts that are not there, or not yet, or silent: how long each is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.support.scripted import Scripted, read, registry_at, scripted

from kitfast.errors import ConnectionFailed
from kitfast.registry import Credentials, Registry, retry, transport
from kitfast.settings import Network

DATA = b"0123456789" * 10
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"

# As they are; the tests make them shorter.
REFUSED_PAUSES = transport.REFUSED_PAUSES
FIRST_CONTACT = transport.FIRST_CONTACT_SECONDS, transport.CONNECT_SECONDS


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(transport, "REFUSED_PAUSES", (0.1, 0.2, 0.3))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def comes_up(port: int, after: float) -> AsyncIterator[list[str]]:
    """A host that refuses connections for a while, then answers whatever is asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        asked.append(f"{request.method} {request.path}")
        if request.path == "/token":
            return web.json_response({"token": "t"})
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/up"})
        return web.Response(status=201 if request.method == "PUT" else 200, body=DATA)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()

    async def begin() -> None:
        await asyncio.sleep(after)
        await web.TCPSite(runner, "127.0.0.1", port).start()

    beginning = asyncio.create_task(begin())
    try:
        yield asked
    finally:
        await beginning
        await runner.cleanup()


def leading_to(port: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A registry whose tokens, blobs and uploads are at another port."""

    async def answer(request: web.Request) -> web.Response:
        elsewhere = f"http://127.0.0.1:{port}"
        if request.path == "/v2/" and "Authorization" not in request.headers:
            shown = {"WWW-Authenticate": f'Bearer realm="{elsewhere}/token"'}
            return web.Response(status=401, headers=shown)
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": f"{elsewhere}/up"})
        if "/blobs/" in request.path:
            return web.Response(status=307, headers={"Location": f"{elsewhere}/blob"})
        return web.Response()

    return answer


async def upload(registry: Registry) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield DATA

    opened = await registry.start_upload("models/one")
    assert opened is not None
    await opened.put(DIGEST, body(), len(DATA))


async def read_blob(registry: Registry) -> None:
    assert await read(registry, DIGEST, len(DATA)) == DATA


async def ping(registry: Registry) -> None:
    await registry.ping()


async def start(registry: Registry) -> None:
    assert await registry.start_upload("models/one") is not None


@pytest.mark.parametrize("ask", [ping, read_blob, start, upload])
async def test_a_registry_that_comes_up_late_is_waited_for(
    ask: Callable[[Registry], Awaitable[None]],
) -> None:
    port = free_port()
    async with comes_up(port, 0.15), registry_at(Scripted(f"127.0.0.1:{port}")) as registry:
        await ask(registry)


@pytest.mark.parametrize("ask", [ping, read_blob, upload])
async def test_so_are_its_token_server_its_storage_and_the_host_of_its_uploads(
    ask: Callable[[Registry], Awaitable[None]],
) -> None:
    port = free_port()
    async with (
        comes_up(port, 0.15) as asked,
        scripted(leading_to(port)) as server,
        registry_at(server) as registry,
    ):
        await ask(registry)
    assert len(asked) == 1


async def test_a_port_where_nobody_listens_is_told_of_soon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = f"127.0.0.1:{free_port()}"
    begun = time.monotonic()
    with caplog.at_level(logging.INFO, "kitfast"):
        async with registry_at(Scripted(host)) as registry:
            with pytest.raises(ConnectionFailed, match="connection refused") as caught:
                await registry.ping()
    assert 0.6 <= time.monotonic() - begun < 2
    assert host in str(caught.value) and "check the address" in str(caught.value.hint)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert all(host in line and "refused; next try in 0." in line for line in told)


def test_which_takes_five_seconds() -> None:
    assert sum(REFUSED_PAUSES) <= 5


@asynccontextmanager
async def black_hole(taken: list[int]) -> AsyncIterator[str]:
    """Takes connections and says nothing on them: to TLS, no connection at all."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(1)
        # A server that ends cancels this, and would say so.
        with contextlib.suppress(asyncio.CancelledError):
            await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_host_that_takes_no_first_connection_is_tried_twice_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(transport, "FIRST_CONTACT_SECONDS", 0.75)
    taken: list[int] = []
    credentials = Credentials(environ={})
    async with black_hole(taken) as host, Registry(host, Network(), credentials) as registry:
        with pytest.raises(ConnectionFailed, match="no connection in time") as caught:
            await registry.manifest("models/one", "v1")
    assert len(taken) == 3
    assert "check the address" in str(caught.value.hint)


def test_which_takes_a_minute() -> None:
    window, connect = FIRST_CONTACT
    assert 2 * connect < window < 3 * connect - 10 and 3 * connect <= 60


async def slow(request: web.Request) -> web.Response:
    """Answers everything, late."""
    await request.read()
    if request.method == "POST" and "/uploads/" in request.path:
        return web.Response(status=202, headers={"Location": "/v2/models/one/blobs/uploads/1"})
    await asyncio.sleep(0.5)
    return web.Response(status=201 if request.method == "PUT" else 200, body=DATA)


async def manifest(registry: Registry) -> None:
    await registry.manifest("models/one", "v1")


async def tags(registry: Registry) -> None:
    await registry.tags("models/one")


async def referrers(registry: Registry) -> None:
    await registry.referrers("models/one", DIGEST, "a/b")


async def size(registry: Registry) -> None:
    await registry.blob_size("models/one", DIGEST)


async def status(registry: Registry) -> None:
    opened = await registry.start_upload("models/one")
    assert opened is not None
    await opened.status()


@pytest.mark.parametrize("ask", [manifest, tags, referrers, size, status])
async def test_what_is_no_blob_is_not_given_the_time_of_one(
    ask: Callable[[Registry], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.05)
    async with scripted(slow) as server, registry_at(server) as registry:
        with pytest.raises(ConnectionFailed, match="no answer in time"):
            await ask(registry)
        assert len(server.asked("GET")) + len(server.asked("HEAD")) == retry.ATTEMPTS


async def test_nor_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.05)
    async with scripted(slow) as late:
        port = int(late.host.rpartition(":")[2])
        async with scripted(leading_to(port)) as server, registry_at(server) as registry:
            with pytest.raises(ConnectionFailed, match="no token from"):
                await registry.ping()
        assert len(late.asked("GET /token")) == retry.ATTEMPTS


async def small_blob(registry: Registry) -> None:
    assert await registry.blob_bytes("models/one", DIGEST, len(DATA)) == DATA


@pytest.mark.parametrize("ask", [read_blob, small_blob, upload])
async def test_a_blob_is_and_the_end_of_an_upload(
    ask: Callable[[Registry], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.05)
    async with scripted(slow) as server, registry_at(server) as registry:
        await ask(registry)


async def test_a_retry_is_told_of_and_a_long_pause_loudly(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = iter([1.0, 10.0])
    monkeypatch.setattr(retry, "delay", lambda attempt, error: next(pauses))

    async def no_time(seconds: float) -> None:
        """Takes none."""

    monkeypatch.setattr(asyncio, "sleep", no_time)

    async def busy() -> str:
        if next(failures, None):
            raise ConnectionFailed("host/repo: cannot read the manifest v1: busy")
        return "done"

    failures = iter([True, True])
    with caplog.at_level(logging.INFO, "kitfast"):
        assert await retry.retrying(busy) == "done"
    said = "host/repo: cannot read the manifest v1: busy; next try in"
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", f"{said} 1.0 s"),
        ("WARNING", f"{said} 10.0 s"),
    ]


async def test_a_signed_address_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def redirect(request: web.Request) -> web.Response:
        if request.path == "/blob":
            return web.Response(status=503, text="busy")
        where = f"http://{request.host}/blob?X-Amz-Signature=secret"
        return web.Response(status=307, headers={"Location": where})

    with caplog.at_level(logging.DEBUG, "kitfast"):
        async with scripted(redirect) as server, registry_at(server) as registry:
            with pytest.raises(Exception, match="busy"):
                await registry.blob_bytes("models/one", DIGEST, len(DATA))
    assert len(caplog.records) == retry.ATTEMPTS - 1
    assert "secret" not in caplog.text
