"""A lent connection, plain or TLS: exact bytes, many requests, clean ends."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from kitfast import _core
from kitfast.errors import ConnectionFailed
from kitfast.oci.descriptor import Descriptor
from kitfast.registry.client import Registry
from kitfast.registry.credentials import Credentials
from kitfast.registry.decrypt import Encrypted, Receiver
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, Patience

DATA = os.urandom(3_000_000)
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


TLS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# Before 3.11 TLS is lent by nobody, and asyncio's own warns of each connection it loses.
SINCE_311 = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")


@pytest.fixture(params=["plain", *(pytest.param(name, marks=SINCE_311) for name in TLS)])
def server(request: pytest.FixtureRequest, authority: Authority) -> Server:
    """A server that speaks plain HTTP, or one of the versions of TLS."""
    if request.param == "plain":
        return Server()
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    context.minimum_version = context.maximum_version = TLS[request.param]
    return Server(context, authority.pair.cert)


@pytest.fixture
def decrypted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the bodies that were decrypted on a thread, as they come."""
    lengths = []
    carry = Encrypted.carry

    def noting(
        self: Encrypted, landing: Receiver, offset: int, length: int, meter: _core.Meter
    ) -> int:
        lengths.append(length)
        return carry(self, landing, offset, length, meter)

    monkeypatch.setattr(Encrypted, "carry", noting)
    return lengths


class Server:
    """Speaks just enough HTTP to answer ranges; counts connections; can cut bodies short."""

    def __init__(self, tls: ssl.SSLContext | None = None, trust: Path | None = None) -> None:
        self.tls = tls
        self.trust = trust
        self.connections = 0
        self.requests = 0
        self.cut: int | None = None
        self.talks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = asyncio.current_task()
        assert talk is not None
        self.talks.add(talk)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                start, end = 0, len(DATA)
                for line in head.decode().split("\r\n"):
                    if line.lower().startswith("range:"):
                        first, last = line.split("=")[1].split("-")
                        start, end = int(first), int(last) + 1
                body = DATA[start:end]
                writer.write(
                    f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\n"
                    f"Content-Range: bytes {start}-{end - 1}/{len(DATA)}\r\n\r\n".encode()
                )
                if self.cut is not None and self.requests > 1:
                    writer.write(body[: self.cut])
                    break
                # In pieces: some are read by aiohttp before the loan, the rest after it.
                for at in range(0, len(body), 50_000):
                    writer.write(body[at : at + 50_000])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, as it may
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def fetch(tmp_path: Path, server: Server, connections: int = 1, attempts: int = 3) -> None:
    """Downloads DATA from a server in parts of 256 KiB into a store."""
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=server.tls)
    host, port = listening.sockets[0].getsockname()[:2]
    trust = (str(server.trust),) if server.trust else ()
    network = Network(plain_http=not trust, tls_cert=trust, connections=connections)
    limits = Limits(
        connections=connections,
        most_connections=connections,
        part_size=256 * 1024,
        patience=Patience(stall=5, backoff=0.001, longest_backoff=0.01, attempts=attempts),
    )
    store = _core.Store(tmp_path / "home")
    landing = _core.Landing.into_store(store, DIGEST, len(DATA), "whole")
    blob = Descriptor("application/octet-stream", DIGEST, len(DATA))
    try:
        async with Registry(f"{host}:{port}", network, Credentials()) as registry:
            await download(registry, "a/b", blob, landing, limits=limits)
        await asyncio.to_thread(landing.finish)
        assert store.blob(DIGEST).read(0, len(DATA)) == DATA
    finally:
        landing.keep()
        listening.close()
        if server.talks:
            await asyncio.wait(server.talks, timeout=5)


async def test_a_connection_serves_again_after_it_came_back(
    tmp_path: Path, server: Server, decrypted: list[int]
) -> None:
    await fetch(tmp_path, server)
    assert server.requests == 12
    assert server.connections == 1
    assert bool(decrypted) == bool(server.tls)


async def test_several_connections_are_lent_side_by_side(tmp_path: Path, server: Server) -> None:
    await fetch(tmp_path, server, connections=4)
    assert server.connections <= 5


async def test_a_body_cut_short_is_a_broken_connection(tmp_path: Path, server: Server) -> None:
    server.cut = 100_000
    with pytest.raises(ConnectionFailed):
        await fetch(tmp_path, server, attempts=1)


async def test_a_body_cut_short_goes_on_where_it_ended(tmp_path: Path, server: Server) -> None:
    server.cut = 200_000
    await fetch(tmp_path, server, attempts=8)


async def test_where_tls_is_not_asyncios_own_the_body_comes_through_it(
    tmp_path: Path, server: Server, decrypted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encrypted, "fits", staticmethod(lambda transport: False))
    await fetch(tmp_path, server)
    assert (server.requests, server.connections, decrypted) == (12, 1, [])


def test_a_cancelled_meter_ends_a_silent_read(tmp_path: Path) -> None:
    store = _core.Store(tmp_path / "home")
    landing = _core.Landing.into_store(store, DIGEST, len(DATA), "whole")
    ours, theirs = socket.socketpair()
    meter = _core.Meter()

    async def main() -> None:
        from kitfast import offload

        task = asyncio.ensure_future(
            offload.run(landing.receive, ours.fileno(), 0, len(DATA), meter=meter)
        )
        theirs.sendall(DATA[:1000])
        while meter.done < 1000:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    with ours, theirs:
        asyncio.run(main())
    assert landing.received == 1000
    landing.discard()
