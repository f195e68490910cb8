"""A lent TLS connection with a server that breaks it, closes it, or says too much."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.certificates import Authority
from tests.support.memory import MemoryLanding

from kitfast import offload
from kitfast._core import Meter
from kitfast.errors import ConnectionFailed
from kitfast.registry import Credentials, Registry
from kitfast.registry.blobs import BlobStream
from kitfast.registry.decrypt import Encrypted
from kitfast.registry.loan import Loan
from kitfast.settings import Network

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="needs Python 3.11")

DATA = os.urandom(1_000_000)
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(DATA)}\r\n\r\n".encode()

# Answers one request; what it returns says whether the connection goes on.
Script = Callable[[ssl.SSLSocket], bool]


class Server:
    """Answers each request by the script that is next, the last one again and again."""

    def __init__(self, authority: Authority, *scripts: Script) -> None:
        pair = authority.server()
        self.trust = str(authority.pair.cert)
        self.connections = 0
        self._lent = threading.Semaphore(0)
        self._scripts = list(scripts)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pair.cert, pair.key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[Server]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            # Closing alone would leave the thread in `accept`.
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    def registry(self) -> Registry:
        return Registry(self.host, Network(tls_cert=(self.trust,)), Credentials(environ={}))

    def borrow(self, stream: BlobStream) -> Loan:
        """Takes a loan and lets the body come."""
        loan = stream.lend()
        assert loan is not None
        self._lent.release()
        return loan

    async def read(self, registry: Registry) -> bytes:
        """Reads DATA over a loan; returns what came."""
        landing = MemoryLanding(len(DATA))
        async with registry.get_blob("a/b", DIGEST, size=len(DATA)) as stream:
            with self.borrow(stream) as loan:
                assert loan.first == b""
                count = await asyncio.to_thread(loan.carry, landing, 0, len(DATA), Meter())
                if count == len(DATA):
                    loan.complete()
        return bytes(landing.data[:count])

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return  # it was closed
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        # A client that has gone is none of a test's concern.
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            while connection.recv(65536):
                script = self._scripts[0]
                if len(self._scripts) > 1:
                    self._scripts.pop(0)
                connection.sendall(HEAD)
                # So that aiohttp has read nothing of the body when it is lent.
                self._lent.acquire(timeout=10)
                if not script(connection):
                    return


def whole(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA)
    return True


def whole_and_more(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    return True


def whole_and_the_end(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA)
    with suppress(OSError):
        connection.unwrap()
    return False


def half_and_the_end(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA[:500_000])
    with suppress(OSError):
        connection.unwrap()
    return False


def half_and_noise(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA[:500_000])
    os.write(connection.fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
    time.sleep(1)
    return False


def a_little(connection: ssl.SSLSocket) -> bool:
    connection.sendall(DATA[:1000])
    time.sleep(5)
    return False


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_what_comes_behind_a_body_answers_no_other_request(authority: Authority) -> None:
    with Server(authority, whole_and_more, whole).running() as server:
        async with server.registry() as registry:
            assert await server.read(registry) == DATA
            assert await server.read(registry) == DATA
            assert server.connections == 2
            assert await server.read(registry) == DATA
            assert server.connections == 2


async def test_an_end_behind_the_body_is_no_trouble(authority: Authority) -> None:
    with Server(authority, whole_and_the_end).running() as server:
        async with server.registry() as registry:
            assert await server.read(registry) == DATA
            assert await server.read(registry) == DATA
        assert server.connections == 2


async def test_an_end_inside_the_body_is_told(authority: Authority) -> None:
    with Server(authority, half_and_the_end, whole).running() as server:
        async with server.registry() as registry:
            assert await server.read(registry) == DATA[:500_000]
            assert await server.read(registry) == DATA


async def test_a_broken_record_breaks_the_connection(authority: Authority) -> None:
    with Server(authority, half_and_noise, whole).running() as server:
        async with server.registry() as registry:
            with pytest.raises(ConnectionFailed, match="the connection"):
                await server.read(registry)
            assert await server.read(registry) == DATA


async def test_a_silent_server_holds_back_nothing_and_nobody(authority: Authority) -> None:
    landing, meter = MemoryLanding(len(DATA)), Meter()
    with Server(authority, a_little, whole).running() as server:
        async with server.registry() as registry:
            async with registry.get_blob("a/b", DIGEST, size=len(DATA)) as stream:
                with server.borrow(stream) as loan:
                    work = offload.run(loan.carry, landing, 0, len(DATA), meter=meter)
                    task = asyncio.ensure_future(work)
                    while meter.done < 1000:
                        assert not task.done()
                        await asyncio.sleep(0.01)
                    assert meter.done == landing.received == 1000
                    task.cancel()
                    await asyncio.wait([task], timeout=10)
                    assert task.cancelled() and meter.waiting > 0
            assert await server.read(registry) == DATA
            assert server.connections == 2, "a body that was left is not read to its end"


async def test_asyncio_may_close_a_connection_that_is_lent(authority: Authority) -> None:
    landing, meter = MemoryLanding(len(DATA)), Meter()
    with Server(authority, a_little).running() as server:
        registry = server.registry()
        await registry.__aenter__()
        async with registry.get_blob("a/b", DIGEST, size=len(DATA)) as stream:
            with server.borrow(stream) as loan:
                work = offload.run(loan.carry, landing, 0, len(DATA), meter=meter)
                task = asyncio.ensure_future(work)
                while meter.done < 1000:
                    await asyncio.sleep(0.01)
                await registry.__aexit__(None, None, None)
                await asyncio.sleep(0.1)
                assert not task.done(), "the thread has a socket and a TLS object of its own"
                task.cancel()
                await asyncio.wait([task], timeout=10)
    assert task.cancelled()


def test_only_asyncios_own_tls_fits() -> None:
    assert not Encrypted.fits(object())
