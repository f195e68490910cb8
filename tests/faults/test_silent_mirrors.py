"""Mirrors that hang, are not there or ask for patience: none holds a pull up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.support import folders
from tests.support.faults import Fault, FaultyRegistry, Script, always
from tests.support.memory import MemoryBlob, MemoryLanding, random_blob
from tests.support.pulls import BLOB, small_parts
from tests.support.scripted import Handler, scripted

from kitfast import aio
from kitfast.registry import Credentials, Registry, mirrors
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import Patience, forget_hosts

NOBODY = "127.0.0.1:9"
# Far above what is waited here, far below what any limit of a registry would take.
SOON = 8.0


@contextmanager
def soon() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SOON


@pytest.fixture
def own() -> Iterator[FaultyRegistry]:
    """The registry that references name."""
    with FaultyRegistry() as running:
        yield running


@pytest.fixture
async def kit(own: FaultyRegistry, tmp_path: Path) -> str:
    """The reference of a kit that it holds."""
    forget_hosts()
    source = folders.shards(tmp_path / "source", 2, 1 << 20)
    reference = f"{own.host}/some/kit:v1"
    await aio.push(source, reference, home=tmp_path / "ours", network=Network(plain_http=True))
    return reference


async def pull(kit: str, tmp_path: Path, mirror: str) -> None:
    network = Network(plain_http=True, mirror=(mirror,))
    with soon():
        await aio.pull(kit, home=tmp_path / "theirs", network=network)


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


async def ask_for_patience(request: web.Request) -> web.Response:
    return web.Response(status=429, headers={"Retry-After": "7200"})


async def want_a_token(request: web.Request) -> web.Response:
    if request.path == "/token":
        return await hang(request)
    realm = f'Bearer realm="http://{request.host}/token"'
    return web.Response(status=401, headers={"WWW-Authenticate": realm})


@pytest.mark.parametrize(("handler", "requests"), [(hang, 1), (want_a_token, 2)])
async def test_one_that_does_not_answer_is_asked_once_in_all(
    handler: Handler, requests: int, kit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "ANSWER_SECONDS", 0.3)
    async with scripted(handler) as mirror:
        await pull(kit, tmp_path, mirror.host)
        assert len(mirror.seen) == requests


async def test_one_that_asks_for_patience_is_asked_once_in_all(kit: str, tmp_path: Path) -> None:
    async with scripted(ask_for_patience) as mirror:
        await pull(kit, tmp_path, mirror.host)
        assert len(mirror.seen) == 1


async def test_nor_is_one_that_takes_no_connection(
    kit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "ANSWER_SECONDS", 0.3)
    taken = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        await pull(kit, tmp_path, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert len(taken) == 1
    taken[0].close()


@asynccontextmanager
async def reading(
    source: FaultyRegistry, mirror: str, home: Path
) -> AsyncIterator[Callable[[MemoryBlob], Awaitable[None]]]:
    """A registry with one mirror, and how a blob is downloaded from them."""
    forget_hosts()
    network, credentials = Network(plain_http=True, mirror=(mirror,)), Credentials(environ={})
    patience = Patience(first_byte=60, stall=60, hedge=60, backoff=0.01)

    async def fetch(blob: MemoryBlob) -> None:
        landing = MemoryLanding(blob.size)
        await download(registry, "r", blob, landing, limits=small_parts(patience))
        assert landing.holds(blob)

    own = Registry(source.host, network, credentials)
    async with mirrors.mirrored(own, home, credentials) as registry:
        yield fetch


async def test_one_that_sends_no_blob_is_asked_for_no_further_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "FIRST_BLOB_SECONDS", 0.3)
    silent = always(Fault(wait=3600))
    other = random_blob(1000, seed=2)
    with (
        FaultyRegistry(BLOB, other) as source,
        FaultyRegistry(BLOB, other, script=silent) as mirror,
        soon(),
    ):
        async with reading(source, mirror.host, tmp_path) as fetch:
            await fetch(BLOB)
            await fetch(other)
        assert len(mirror.of("blob")) == 1


async def test_where_nobody_is_no_blob_waits(tmp_path: Path) -> None:
    begun = time.monotonic()
    with FaultyRegistry(BLOB) as source:
        async with reading(source, NOBODY, tmp_path) as fetch:
            await fetch(BLOB)
    assert time.monotonic() - begun < 4


async def test_one_that_sent_a_blob_may_take_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "FIRST_BLOB_SECONDS", 0.3)
    late: Script = lambda seen: Fault(wait=0.6) if seen.number == 1 else None  # noqa: E731
    with FaultyRegistry(BLOB) as source, FaultyRegistry(BLOB, script=late) as mirror:
        async with reading(source, mirror.host, tmp_path) as fetch:
            await fetch(BLOB)
        assert not source.seen


async def test_several_may_find_out_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "ANSWER_SECONDS", 0.3)
    async with AsyncExitStack() as stack:
        source = stack.enter_context(FaultyRegistry(BLOB))
        mirror = await stack.enter_async_context(scripted(hang))
        network, credentials = Network(plain_http=True, mirror=(mirror.host,)), Credentials()
        own = Registry(source.host, network, credentials)
        both = await stack.enter_async_context(mirrors.mirrored(own, tmp_path, credentials))
        asked = [both.blob_bytes("r", BLOB.digest, BLOB.size) for _ in range(2)]
        assert await asyncio.gather(*asked) == [BLOB.data] * 2
