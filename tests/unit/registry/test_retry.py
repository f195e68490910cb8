"""When a request is made again: what is safe, how often, after how long."""

from __future__ import annotations

import email.utils
import hashlib
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted import registry_at, scripted

from kitfast.errors import ConnectionFailed, RegistryError
from kitfast.registry.retry import ATTEMPTS, LONGEST_DELAY, delay, retry_after
from kitfast.settings import Network

DIGEST = f"sha256:{hashlib.sha256(b'x').hexdigest()}"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Makes the pauses between attempts short, and notes how long they were to be."""
    found: list[float] = []

    def short(attempt: int, error: BaseException | None = None) -> float:
        found.append(delay(attempt, error))
        return 0.0

    monkeypatch.setattr("kitfast.registry.retry.delay", short)
    return found


def failing(
    times: int, status: int, **headers: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    left = [times]

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        if left[0]:
            left[0] -= 1
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=status, headers=named)
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/upload"})
        return web.Response(status=201 if request.method == "PUT" else 200, body=b"x")

    return handler


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_troubles_that_pass(status: int, waits: list[float]) -> None:
    async with scripted(failing(2, status)) as server, registry_at(server) as registry:
        await registry.ping()
    assert len(waits) == 2


async def test_patience_ends(waits: list[float]) -> None:
    async with scripted(failing(99, 503)) as server, registry_at(server) as registry:
        with pytest.raises(RegistryError, match="503"):
            await registry.ping()
        assert len(server.seen) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 404, 413, 501])
async def test_troubles_that_do_not(status: int, waits: list[float]) -> None:
    async with scripted(failing(1, status)) as server, registry_at(server) as registry:
        with pytest.raises(RegistryError):
            await registry.ping()
        assert len(server.seen) == 1


async def test_retry_after_is_honoured(waits: list[float]) -> None:
    handler = failing(1, 429, Retry_After="3")
    async with scripted(handler) as server, registry_at(server) as registry:
        await registry.ping()
    assert 3.0 <= waits[0] <= 4.0


@pytest.mark.parametrize(("status", "asked"), [(500, 1), (502, 1), (429, 2), (503, 2)])
async def test_a_post_is_repeated_only_when_it_was_turned_away(
    status: int, asked: int, waits: list[float]
) -> None:
    async with scripted(failing(1, status)) as server, registry_at(server) as registry:
        if asked == 1:
            with pytest.raises(RegistryError):
                await registry.start_upload("models/one")
        else:
            assert await registry.start_upload("models/one") is not None
        assert len(server.asked("POST")) == asked


async def test_a_manifest_may_be_put_again(waits: list[float]) -> None:
    async with scripted(failing(1, 500)) as server, registry_at(server) as registry:
        assert await registry.put_manifest("models/one", "v1", b"x", "text/plain") == DIGEST
        assert len(server.asked("PUT")) == 2


async def test_a_connection_that_breaks_once(waits: list[float]) -> None:
    broken = [True]

    async def handler(request: web.Request) -> web.StreamResponse:
        if broken.pop() if broken else False:
            response = web.StreamResponse()
            response.content_length = 100
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=b"x")

    async with scripted(handler) as server, registry_at(server) as registry:
        assert (await registry.manifest("models/one", "v1")).data == b"x"
        assert len(server.seen) == 2


async def test_a_host_that_was_never_there_is_not_waited_for(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitfast.registry.transport.REFUSED_PAUSES", (0.01,))
    async with scripted(failing(0, 200)) as server:
        gone = registry_at(server)
    async with gone as registry:
        with pytest.raises(ConnectionFailed, match="connection refused") as caught:
            await registry.ping()
    assert waits == []
    assert server.host in str(caught.value)
    assert caught.value.hint


async def test_a_name_that_does_not_exist(waits: list[float]) -> None:
    from kitfast.registry import Credentials, Registry

    network = Network(plain_http=True)
    async with Registry("nowhere.invalid", network, Credentials(environ={})) as registry:
        with pytest.raises(ConnectionFailed, match=r"nowhere\.invalid.*cannot be resolved"):
            await registry.ping()


def test_delays_grow_and_are_bounded() -> None:
    assert 0.25 <= delay(1) <= 0.5
    assert 1.0 <= delay(3) <= 2.0
    assert delay(1000) <= LONGEST_DELAY
    assert delay(1, RegistryError("x", retry_after=1e9)) == LONGEST_DELAY


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 5000, LONGEST_DELAY),
        ("１２", None),
        (email.utils.formatdate(1_000_030, usegmt=True), 30.0),
        (email.utils.formatdate(999_000, usegmt=True), 0.0),
        (email.utils.formatdate(9_000_000, usegmt=True), LONGEST_DELAY),
        ("Mon, 99 Foo 99999 99:99:99 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=1_000_000.0) == seconds


@given(st.text(max_size=60))
def test_retry_after_takes_anything(value: str) -> None:
    seconds = retry_after(value)
    assert seconds is None or 0.0 <= seconds <= LONGEST_DELAY
