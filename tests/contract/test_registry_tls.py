"""Holds TLS to real registries: whom to trust, who we are, HTTP by mistake."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.registries import (
    Running,
    WithTls,
    mutual_tls_registry,
    plain_registry,
    tls_registry,
)

from kitfast.errors import ConnectionFailed, FileError, InvalidArgument, KitfastError
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network

__all__ = ["mutual_tls_registry", "plain_registry", "tls_registry"]


def opened(running: Running, network: Network) -> AbstractAsyncContextManager[Registry]:
    return Registry(running.host, network, Credentials(environ={}))


async def refusal(running: Running, network: Network) -> KitfastError:
    async with opened(running, network) as registry:
        with pytest.raises(KitfastError) as caught:
            await registry.ping()
    assert not getattr(caught.value, "transient", False), "trying again would not help"
    return caught.value


async def test_an_unknown_authority(tls_registry: WithTls) -> None:
    error = await refusal(tls_registry, Network())
    assert isinstance(error, ConnectionFailed)
    assert tls_registry.host in str(error)
    assert "certificate is not trusted" in str(error)
    assert "--tls-cert" in str(error.hint)


async def test_an_authority_that_is_named(tls_registry: WithTls) -> None:
    network = Network(tls_cert=(str(tls_registry.authority.pair.cert),))
    async with opened(tls_registry, network) as registry:
        await registry.ping()


async def test_the_authority_of_the_environment(
    tls_registry: WithTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_registry.authority.pair.cert))
    async with opened(tls_registry, Network()) as registry:
        await registry.ping()


async def test_verification_switched_off(tls_registry: WithTls) -> None:
    async with opened(tls_registry, Network(tls_verify=False)) as registry:
        await registry.ping()


async def test_a_client_certificate(mutual_tls_registry: WithTls) -> None:
    authority = mutual_tls_registry.authority
    trust = (str(authority.pair.cert),)
    error = await refusal(mutual_tls_registry, Network(tls_cert=trust))
    assert "--cert" in str(error.hint)
    mine = authority.client()
    network = Network(tls_cert=trust, cert=str(mine.cert), key=str(mine.key))
    async with opened(mutual_tls_registry, network) as registry:
        await registry.ping()


async def test_https_to_a_plain_registry(plain_registry: Running) -> None:
    error = await refusal(plain_registry, Network())
    assert isinstance(error, ConnectionFailed)
    assert "--plain-http" in str(error.hint)


async def test_plain_http_to_a_tls_registry(tls_registry: WithTls) -> None:
    error = await refusal(tls_registry, Network(plain_http=True))
    assert "leave out --plain-http" in str(error.hint)


async def test_files_that_are_no_certificates(tls_registry: WithTls, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    missing = str(tmp_path / "missing.pem")
    assert isinstance(await refusal(tls_registry, Network(tls_cert=(missing,))), FileError)
    assert isinstance(await refusal(tls_registry, Network(cert=missing)), FileError)
    assert isinstance(
        await refusal(tls_registry, Network(tls_cert=(str(nonsense),))), InvalidArgument
    )
    assert isinstance(await refusal(tls_registry, Network(cert=str(nonsense))), InvalidArgument)
