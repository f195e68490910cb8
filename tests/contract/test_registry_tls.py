"""Holds TLS to real registries: whom to trust, who we are, HTTP by mistake."""

from __future__ import annotations

import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.registries import (
    Running,
    WithTls,
    mutual_tls_registry,
    plain_registry,
    tls_registry,
)

from kitfast.errors import ConnectionFailed, FileError, InvalidArgument, KitfastError
from kitfast.registry import Credentials, Registry
from kitfast.registry.unreachable import CERTIFICATE
from kitfast.settings import Network

__all__ = ["mutual_tls_registry", "plain_registry", "tls_registry"]


def opened(running: Running, network: Network) -> AbstractAsyncContextManager[Registry]:
    return Registry(running.host, network, Credentials(environ={}))


async def refusal(running: Running, network: Network) -> KitfastError:
    with pytest.raises(KitfastError) as caught:
        async with opened(running, network) as registry:
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


async def test_authorities_in_a_folder(tls_registry: WithTls, tmp_path: Path) -> None:
    shutil.copy(tls_registry.authority.pair.cert, tmp_path / "c.pem")
    shutil.copy(tls_registry.authority.pair.key, tmp_path / "k.pem")
    async with opened(tls_registry, Network(tls_cert=(str(tmp_path),))) as registry:
        await registry.ping()


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("SSL_CERT_FILE", "{}/missing.pem", "cannot be read (No such file or directory)"),
        ("SSL_CERT_FILE", "/etc/passwd", "no certificate in PEM format"),
        ("SSL_CERT_FILE", "", "cannot be read"),
        ("SSL_CERT_DIR", "{}", "no certificate under the name of its hash"),
        ("SSL_CERT_DIR", "{0}/missing:{0}/missing", "cannot be read (No such file or directory)"),
        ("SSL_CERT_DIR", "", "no folder"),
    ],
)
async def test_an_environment_that_brings_no_authority(
    variable: str,
    value: str,
    why: str,
    tls_registry: WithTls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust = tls_registry.authority.pair.cert
    shutil.copy(trust, tmp_path / "c.pem")
    named = value.format(tmp_path)
    monkeypatch.setenv(variable, named)
    error = await refusal(tls_registry, Network())
    assert "certificate is not trusted" in str(error)
    assert f"{variable}={named}: {why}" in str(error.hint)
    assert "--tls-cert" in str(error.hint)
    async with opened(tls_registry, Network(tls_cert=(str(trust),))) as registry:
        await registry.ping()


async def test_an_environment_that_is_not_to_blame(
    tls_registry: WithTls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Authority(tmp_path).pair.cert
    shutil.copy(other, tmp_path / "01234567.0")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/missing:{tmp_path}")
    error = await refusal(tls_registry, Network())
    assert str(error.hint) == CERTIFICATE


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


@pytest.mark.parametrize("plain", [True, False])
async def test_files_that_are_no_certificates(
    plain: bool, plain_registry: Running, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for path, kind in ((tmp_path / "missing.pem", FileError), (nonsense, InvalidArgument)):
        for named in ({"tls_cert": (str(path),)}, {"cert": str(path)}):
            network = Network(plain_http=plain, **named)
            error = await refusal(plain_registry, network)
            assert isinstance(error, kind)
            assert f"cert {path}: " in str(error)
            assert "None" not in str(error)
