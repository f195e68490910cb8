"""Reaches real registries through a proxy, over HTTPS and over plain HTTP."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from tests.support.proxy import proxying
from tests.support.registries import (
    Running,
    WithTls,
    free_port,
    plain_registry,
    tls_registry,
)

from kitfast.errors import AuthenticationFailed, ConnectionFailed
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network

__all__ = ["plain_registry", "tls_registry"]


def opened(running: Running, network: Network) -> AbstractAsyncContextManager[Registry]:
    return Registry(running.host, network, Credentials(environ={}))


async def test_https_through_a_tunnel(tls_registry: WithTls) -> None:
    trust = (str(tls_registry.authority.pair.cert),)
    async with proxying() as proxy:
        network = Network(tls_cert=trust, proxy=f"http://{proxy.address}")
        async with opened(tls_registry, network) as registry:
            await registry.ping()
        assert proxy.lines == [f"CONNECT {tls_registry.host} HTTP/1.1"]


async def test_plain_http_is_forwarded(plain_registry: Running) -> None:
    async with proxying() as proxy:
        network = Network(plain_http=True, proxy=f"http://{proxy.address}")
        async with opened(plain_registry, network) as registry:
            await registry.ping()
        assert proxy.lines == [f"GET http://{plain_registry.host}/v2/ HTTP/1.1"]


async def test_the_proxy_wants_credentials(tls_registry: WithTls) -> None:
    trust = (str(tls_registry.authority.pair.cert),)
    async with proxying("user:a secret") as proxy:
        right = Network(tls_cert=trust, proxy=f"http://user:a%20secret@{proxy.address}")
        async with opened(tls_registry, right) as registry:
            await registry.ping()
        wrong = Network(tls_cert=trust, proxy=f"http://user:wrong@{proxy.address}")
        async with opened(tls_registry, wrong) as registry:
            with pytest.raises(AuthenticationFailed, match="proxy wants credentials") as caught:
                await registry.ping()
        assert "wrong" not in str(caught.value)


async def test_no_proxy_there(plain_registry: Running) -> None:
    network = Network(plain_http=True, proxy=f"http://user:word@127.0.0.1:{free_port()}")
    async with opened(plain_registry, network) as registry:
        with pytest.raises(ConnectionFailed, match=r"the proxy .* cannot be reached") as caught:
            await registry.ping()
    assert "word" not in str(caught.value)
    assert "--proxy" in str(caught.value.hint)
