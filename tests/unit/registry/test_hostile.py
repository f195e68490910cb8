"""Registries that attack: endless headers and bodies, stolen credentials, loops."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.scripted import BASIC, registry_at, scripted

from kitfast.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    DigestMismatch,
    InvalidArgument,
    InvalidReference,
    KitfastError,
    ProtocolError,
    RegistryError,
)
from kitfast.registry import Credentials, Login, Registry
from kitfast.settings import Network

DATA = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
OTHER = f"sha256:{'0' * 64}"


def always(
    body: bytes = DATA, status: int = 200, **headers: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=named)

    return handler


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=500 if "500" in request.path else 200)
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * (1 << 16))
    except ConnectionError:
        return response


async def test_a_manifest_without_end() -> None:
    async with scripted(endless) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError, match="longer than"):
            await asyncio.wait_for(registry.manifest("models/one", "v1"), 10)


async def test_an_error_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.retry.FIRST_DELAY", 0.0)
    async with scripted(endless) as server, registry_at(server) as registry:
        with pytest.raises(RegistryError, match="500"):
            await asyncio.wait_for(registry.manifest("models/one", "v500"), 10)


async def test_a_manifest_that_is_another() -> None:
    async with scripted(always()) as server, registry_at(server) as registry:
        with pytest.raises(DigestMismatch, match="instead of sha256:0000"):
            await registry.manifest("models/one", OTHER)
    handler = always(Docker_Content_Digest=OTHER)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(DigestMismatch):
            await registry.manifest("models/one", "v1")
        with pytest.raises(DigestMismatch):
            await registry.put_manifest("models/one", "v1", DATA, "text/plain")


async def test_a_manifest_is_known_by_its_bytes_alone() -> None:
    handler = always(Content_Type="application/x\u00ff; charset=utf-8")
    async with scripted(handler) as server, registry_at(server) as registry:
        fetched = await registry.manifest("models/one", "v1")
        assert fetched.digest == DIGEST
        assert fetched.media_type.startswith("application/x")
        assert "Range" not in server.seen[0].headers


async def test_head_manifest() -> None:
    handler = always(Docker_Content_Digest=DIGEST, Content_Type="a/b")
    async with scripted(handler) as server, registry_at(server) as registry:
        found = await registry.head_manifest("models/one", "v1")
        assert found is not None
        assert (found.media_type, found.digest, found.size) == ("a/b", DIGEST, len(DATA))
        assert [one.method for one in server.seen] == ["HEAD"]
    async with scripted(always(Content_Type="a/b")) as server, registry_at(server) as registry:
        found = await registry.head_manifest("models/one", "v1")
        assert found is not None and found.digest == DIGEST, "read where HEAD says too little"
    async with scripted(always(b"", 404)) as server, registry_at(server) as registry:
        assert await registry.head_manifest("models/one", "v1") is None


async def raw(data: bytes) -> KitfastError:
    """Returns what comes of a server that answers every connection with `data`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        network = Network(plain_http=True)
        async with Registry(host, network, Credentials(environ={})) as registry:
            with pytest.raises(KitfastError) as caught:
                await registry.ping()
    assert host in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 5000 + b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ],
    ids=["long header", "many headers", "ssh", "tls", "two lengths", "negative length"],
)
async def test_what_is_not_http(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.retry.FIRST_DELAY", 0.0)
    assert isinstance(await raw(data), ProtocolError | ConnectionFailed)


async def test_a_server_that_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kitfast.registry.retry.FIRST_DELAY", 0.0)
    error = await raw(b"")
    assert isinstance(error, ConnectionFailed) and "broke" in str(error)


@pytest.mark.parametrize(
    "link",
    [
        "<http://127.0.0.1:1/v2/models/one/tags/list>; rel=next",
        '<https://evil.test/tags>; rel="next"',
        '</v2/models/one/tags/list?n=1000>; rel="next"',
    ],
)
async def test_lists_that_lead_away_or_nowhere(link: str) -> None:
    handler = always(b'{"tags": ["v1"]}', Link=link)
    async with scripted(handler) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError):
            await registry.tags("models/one")
        assert len(server.seen) <= 2


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[" * 10_000, b'{"tags": 5}', b'{"tags": [1]}', b'{"tags": {"a": 1}}']
)
async def test_lists_that_are_none(body: bytes) -> None:
    async with scripted(always(body)) as server, registry_at(server) as registry:
        with pytest.raises(ProtocolError):
            await registry.tags("models/one")


async def test_a_list_whose_tags_are_gone() -> None:
    async with scripted(always(b'{"tags": null}')) as server, registry_at(server) as registry:
        assert await registry.tags("models/one") == []


@pytest.mark.parametrize(
    "host", ["", "a b", "user@host", "host/path", "host:port", "host:123456", "[::1", "a\nb", "?"]
)
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(InvalidReference):
        Registry(host, Network(), Credentials(environ={}))


@pytest.mark.parametrize("name", ["../../etc", "A", "a//b", "a/", "a?x=1", "a#b", "a b", ""])
async def test_names_never_change_the_address(name: str) -> None:
    async with scripted(always()) as server, registry_at(server) as registry:
        with pytest.raises(InvalidReference):
            await registry.manifest(name, "v1")
        with pytest.raises((InvalidReference, InvalidArgument)):
            await registry.manifest("models/one", f"../{name}")
        with pytest.raises((InvalidReference, InvalidArgument)):
            await registry.blob_size("models/one", f"sha256:{name}")
        assert server.seen == []


def tokens(body: bytes, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A registry and its token server in one, which answers `body` for a token."""

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.Response(status=status, body=body, headers={"Location": "/elsewhere"})
        challenge = f'Bearer realm="http://{request.host}/token",service="s"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    return handler


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"{}",
        b'{"token": 5}',
        b'{"token": ""}',
        b'{"token": "a\\r\\nX-Injected: 1"}',
        b'{"token": "a b"}',
        b'{"token": "' + b"x" * 100_000 + b'"}',
        b" " * (1 << 20),
    ],
    ids=range(10),
)
async def test_tokens_that_are_none(body: bytes) -> None:
    async with scripted(tokens(body)) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(ProtocolError):
            await registry.tags("models/one")


@pytest.mark.parametrize("life", [b"-1", b"0", b"1e999", b'"soon"', b"null", b"true", b"[]"])
async def test_odd_lives_of_tokens(life: bytes) -> None:
    body = b'{"token": "a", "expires_in": ' + life + b"}"
    async with scripted(tokens(body)) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(AuthenticationFailed):
            await registry.tags("models/one")
        assert len(server.asked("GET /token")) == 1, "never in a circle"


async def test_a_token_server_that_redirects_gets_nobody_anywhere() -> None:
    handler = tokens(b"", 307)
    async with scripted(handler) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(ProtocolError, match="redirects"):
            await registry.tags("models/one")
        assert server.asked("GET /elsewhere") == []


async def test_ways_to_log_in_that_nobody_knows() -> None:
    handler = always(b"", 401, WWW_Authenticate="Negotiate, NTLM")
    async with scripted(handler) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(AuthenticationFailed, match="negotiate, ntlm"):
            await registry.ping()


async def test_a_refusal_without_a_challenge() -> None:
    async with scripted(always(b"", 401)) as server, registry_at(server, login=BASIC) as registry:
        with pytest.raises(AuthenticationFailed):
            await registry.ping()
        assert "Authorization" not in server.seen[0].headers, "nothing is sent unasked"


async def test_credentials_never_go_to_a_realm_over_plain_http(tmp_path: Path) -> None:
    authority = pytest.importorskip(
        "tests.support.certificates", reason="needs the Python package cryptography"
    ).Authority(tmp_path)
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    login = Login("somebody", "a secret")
    async with scripted(always(b'{"token": "t"}')) as realm:
        challenge = f'Bearer realm="http://{realm.host}/token"'
        handler = always(b"", 401, WWW_Authenticate=challenge)
        async with scripted(handler, tls=context) as server:
            network = Network(tls_cert=(str(authority.pair.cert),))
            credentials = Credentials(given={server.host: login}, environ={})
            async with Registry(server.host, network, credentials) as registry:
                with pytest.raises(ProtocolError, match="plain HTTP"):
                    await registry.tags("models/one")
        assert realm.seen == []
