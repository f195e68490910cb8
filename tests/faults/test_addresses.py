"""Hosts whose names do not resolve, and redirects that would leave TLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.faults import FaultyRegistry
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, pull, small_parts

from kitfast.errors import ConnectionFailed, ProtocolError
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import forget_hosts


class Resolver:
    """Stands in for the system's resolver, and fails the first times it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> None:
        self.asked = 0
        self._real, self._code, self._times = socket.getaddrinfo, code, times
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, *more: object, **named: object) -> object:
        if host != "registry.test":
            return self._real(host, *more, **named)  # type: ignore[arg-type, call-overload]
        self.asked += 1
        if self.asked <= self._times:
            raise socket.gaierror(self._code, "as the test says")
        return self._real("127.0.0.1", *more, **named)  # type: ignore[arg-type, call-overload]


async def fetch(source: FaultyRegistry) -> MemoryLanding:
    """Downloads `BLOB` from the registry under the name `registry.test`."""
    forget_hosts()
    landing, host = MemoryLanding(BLOB.size), f"registry.test:{source.port}"
    async with Registry(host, Network(plain_http=True), Credentials(environ={})) as registry:
        await download(registry, "r", BLOB, landing, limits=small_parts())
    return landing


async def test_a_name_that_does_not_exist_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, socket.EAI_NONAME, 1000)
    with FaultyRegistry(BLOB) as source, pytest.raises(ConnectionFailed, match="name") as raised:
        await fetch(source)
    assert resolver.asked == 1 and not source.seen
    assert "DNS" in (raised.value.hint or "")


async def test_a_resolver_in_trouble_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, socket.EAI_AGAIN, 2)
    with FaultyRegistry(BLOB) as source:
        assert (await fetch(source)).holds(BLOB)
    assert resolver.asked >= 3


async def test_a_resolver_that_stays_in_trouble_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, socket.EAI_AGAIN, 1000)
    with FaultyRegistry(BLOB) as source, pytest.raises(ConnectionFailed, match="gave up"):
        await fetch(source)
    assert 3 <= resolver.asked <= 10


async def test_storage_without_tls_behind_a_registry_with_it_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    network = Network(tls_cert=(str(authority.pair.cert),))
    with FaultyRegistry(BLOB, tls=context, storage=True) as source:
        with pytest.raises(ProtocolError, match="from HTTPS to plain HTTP"):
            await pull(source, network=network)
        # Nothing was asked of the storage: the signed address went nowhere in the clear.
        assert source.of("front") and not source.of("blob") and not source.of("expired")
