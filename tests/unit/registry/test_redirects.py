"""Where a registry may lead to: storage without our credentials, never off TLS."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from tests.support.scripted import BASIC, Scripted, read, registry_at, scripted
from yarl import URL

from kitfast.errors import NotInRegistry, ProtocolError, RegistryError
from kitfast.registry.addresses import location
from kitfast.registry.errcodes import Ask

DATA = bytes(range(256)) * 4
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
ASK = Ask("registry.test", "do it")
# Escapes that a client must not undo, redo or reorder: the signature covers them.
SIGNED = "/bucket/a%2Fb+c?X-Sig=a%2Bb%3D%3d&x=%7E~&empty=&y"


def ranged(request: web.Request) -> web.Response:
    """Answers as a storage that knows ranges."""
    part = request.http_range
    if part.start is None:
        return web.Response(body=DATA)
    end = part.stop or len(DATA)
    headers = {"Content-Range": f"bytes {part.start}-{end - 1}/{len(DATA)}"}
    return web.Response(status=206, body=DATA[part.start : end], headers=headers)


def refused(_: web.Request) -> web.Response:
    return web.Response(status=403)


def basic_or_401(answer: Callable[[web.Request], web.StreamResponse]) -> Callable[..., object]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != BASIC.basic():
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        return answer(request)

    return handler


async def storage_and_front(
    stack: AsyncExitStack,
    storage: Callable[[web.Request], web.StreamResponse],
    status: int = 307,
) -> tuple[Scripted, Scripted]:
    async def stored(request: web.Request) -> web.StreamResponse:
        return storage(request)

    behind = await stack.enter_async_context(scripted(stored))
    redirect = basic_or_401(
        lambda _: web.Response(status=status, headers={"Location": f"http://{behind.host}{SIGNED}"})
    )
    front = await stack.enter_async_context(scripted(redirect))  # type: ignore[arg-type]
    return behind, front


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_storage_never_sees_authorization(status: int) -> None:
    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(stack, ranged, status)
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        assert await read(registry, DIGEST, len(DATA)) == DATA
        assert "Authorization" in front.seen[-1].headers
        assert [one.target for one in behind.seen] == [SIGNED]
        assert "Authorization" not in behind.seen[0].headers


async def test_the_address_is_found_once_for_all_parts() -> None:
    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(stack, ranged)
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        parts = [read(registry, DIGEST, len(DATA), at, at + 64) for at in range(0, 1024, 64)]
        assert b"".join(await asyncio.gather(*parts)) == DATA
        assert len(behind.seen) == 16
        assert len(front.seen) == 2, "one refused, one let in"


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_an_expired_address_is_found_again(status: int) -> None:
    expired = {"now": False}

    def storage(request: web.Request) -> web.StreamResponse:
        if expired["now"]:
            expired["now"] = False
            return web.Response(status=status, text="<Error>Request has expired</Error>")
        return ranged(request)

    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(stack, storage)
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        assert await read(registry, DIGEST, len(DATA), 0, 10) == DATA[:10]
        expired["now"] = True
        assert await read(registry, DIGEST, len(DATA), 10, 20) == DATA[10:20]
        assert len(front.seen) == 3
        assert len(behind.seen) == 3


async def test_an_address_that_stays_refused_is_an_error() -> None:
    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(stack, lambda _: web.Response(status=403))
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        with pytest.raises(RegistryError, match="403"):
            await read(registry, DIGEST, len(DATA), 0, 10)
        assert len(behind.seen) == 2


async def test_a_blob_missing_in_storage() -> None:
    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(stack, lambda _: web.Response(status=404))
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        with pytest.raises(NotInRegistry):
            await read(registry, DIGEST, len(DATA))
        assert len(behind.seen) == 1


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (403, "this machine's clock"),
        (404, "storage does not hold it"),
        (409, "runs the registry's"),
    ],
)
async def test_what_storage_refuses_is_not_blamed_on_the_account(status: int, hint: str) -> None:
    said = '{"errors": [{"code": "DENIED", "message": "Expired"}]}'
    async with AsyncExitStack() as stack:
        behind, front = await storage_and_front(
            stack, lambda _: web.Response(status=status, text=said)
        )
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        with pytest.raises(RegistryError) as caught:
            await read(registry, DIGEST, len(DATA))
    assert f"the storage {behind.host} answers: Expired (HTTP {status})" in str(caught.value)
    assert str(caught.value).startswith(f"{front.host}/models/one: cannot read the blob")
    assert hint in str(caught.value.hint)
    assert "X-Sig" not in f"{caught.value} {caught.value.hint}", "a signed address is a secret"


async def test_what_the_registry_refuses_itself_is() -> None:
    async with AsyncExitStack() as stack:
        front = await stack.enter_async_context(scripted(basic_or_401(refused)))  # type: ignore[arg-type]
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        with pytest.raises(RegistryError) as caught:
            await read(registry, DIGEST, len(DATA))
    assert "storage" not in str(caught.value)
    assert "the account has no right" in str(caught.value.hint)


async def test_the_same_host_keeps_authorization() -> None:
    def answer(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/downloads/"):
            return ranged(request)
        return web.Response(status=302, headers={"Location": "/downloads/it"})

    async with (
        scripted(basic_or_401(answer)) as server,
        registry_at(  # type: ignore[arg-type]
            server, login=BASIC
        ) as registry,
    ):
        assert await read(registry, DIGEST, len(DATA)) == DATA
        assert server.seen[-1].headers["Authorization"] == BASIC.basic()


async def test_size_where_storage_refuses_head() -> None:
    def storage(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403) if request.method == "HEAD" else ranged(request)

    async with AsyncExitStack() as stack:
        _, front = await storage_and_front(stack, storage)
        registry = await stack.enter_async_context(registry_at(front, login=BASIC))
        assert await registry.blob_size("models/one", DIGEST) == len(DATA)


@pytest.mark.parametrize("circle", ["/v2/a", "/v2/a?{}"])
async def test_circles_end(circle: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        target = circle.format(len(server.seen))
        return web.Response(status=307, headers={"Location": target})

    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="circle"):
            await read(registry, DIGEST, len(DATA))
        assert len(server.seen) < 10


async def test_an_upload_is_not_redirected() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/v2/models/one/blobs/uploads/1"})
        await request.read()
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def body():  # type: ignore[no-untyped-def]
        yield b"abc"

    async with scripted(handler) as server, registry_at(server) as registry:
        upload = await registry.start_upload("models/one")
        assert upload is not None
        with pytest.raises(ProtocolError, match="in the middle of an upload"):
            await upload.patch(body(), 3)
        assert server.asked("PATCH /elsewhere") == []


@pytest.mark.parametrize(
    "target",
    [
        "http://storage.test/blob",
        "HTTP://storage.test/blob",
        "//user:word@storage.test/blob",
        "https://user@storage.test/blob",
        "ftp://storage.test/blob",
        "file:///etc/passwd",
        "https:///blob",
        "https://storage.test:99999/blob",
        "https://storage.test/a b\x00",
        "https://st\u00f6rage.test/",
        "",
        None,
    ],
)
def test_addresses_that_are_not_followed(target: str | None) -> None:
    base = URL("https://registry.test/v2/a/blobs/b")
    with pytest.raises(ProtocolError):
        location(base, target, ASK, plain_http=False)


@pytest.mark.parametrize(
    ("target", "resolved"),
    [
        (f"https://storage.test{SIGNED}", f"https://storage.test{SIGNED}"),
        ("/x?y=%2F", "https://registry.test/x?y=%2F"),
        ("//storage.test/x", "https://storage.test/x"),
        ("c", "https://registry.test/v2/a/blobs/c"),
    ],
)
def test_addresses_that_are(target: str, resolved: str) -> None:
    base = URL("https://registry.test/v2/a/blobs/b")
    assert str(location(base, target, ASK, plain_http=False)) == resolved


def test_plain_http_must_be_asked_for() -> None:
    base = URL("http://registry.test/v2/")
    assert location(base, "http://storage.test/x", ASK, plain_http=True).scheme == "http"
