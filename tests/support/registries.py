"""Starts real registries for tests, each on a port of its own, stopped by its pid."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.support.certificates import Authority
    from tests.support.tokens import TokenServer

PROGRAM = "docker-registry"
USERNAME = "a tester"
PASSWORD = "a test password"
# bcrypt of PASSWORD, the only kind Distribution takes; made once with the lowest cost.
BCRYPT = "$2b$04$Gxz19/9ApOSUj.qgK/3rr.7ix.xGw4v5HPZiDL1Nmpk1p1uPFV0zK"
START_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A registry that runs: where it is, and where it keeps its files."""

    host: str
    root: Path


@dataclass(frozen=True)
class WithTokens(Running):
    """A registry that wants Bearer tokens, and the server they come from."""

    tokens: TokenServer


@dataclass(frozen=True)
class WithTls(Running):
    """A registry over HTTPS, and the authority that vouches for it."""

    authority: Authority


def free_port() -> int:
    """Returns a port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def registry_program() -> str:
    """Returns the path of the registry program, or skips the test with a plain word."""
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin:/usr/local/bin")
    if found is None:
        pytest.skip(f"needs {PROGRAM} (Debian package of that name)")
    return found


def configuration(root: Path, port: int, **more: Any) -> dict[str, Any]:
    """Returns a configuration of Distribution 2.8 that listens on 127.0.0.1 alone."""
    http = {"addr": f"127.0.0.1:{port}", "relativeurls": True, "secret": "a test"}
    return {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(root / "storage")},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
            "redirect": {"disable": True},
        },
        "http": http | more.pop("http", {}),
        **more,
    }


@contextlib.contextmanager
def running(root: Path, **more: Any) -> Iterator[Running]:
    """Runs a registry with what `more` adds to its configuration.

    Yields:
        Where it runs; it accepts connections already.
    """
    program = registry_program()
    port = free_port()
    config = root / "config.yml"
    config.write_text(yaml.safe_dump(configuration(root, port, **more)), "utf-8")
    log = root / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, "serve", str(config)], stdout=output, stderr=output)
    try:
        _wait_for(port, process, log)
        yield Running(f"127.0.0.1:{port}", root)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the registry did not start:\n{log.read_text('utf-8', 'replace')}")


@pytest.fixture(scope="session")
def plain_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry over plain HTTP that lets everybody in."""
    with running(tmp_path_factory.mktemp("plain")) as found:
        yield found


@pytest.fixture(scope="session")
def htpasswd_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry over plain HTTP that wants Basic credentials: `USERNAME`, `PASSWORD`."""
    root = tmp_path_factory.mktemp("htpasswd")
    file = root / "htpasswd"
    file.write_text(f"{USERNAME}:{BCRYPT}\n", "utf-8")
    with running(root, auth={"htpasswd": {"realm": "a test", "path": str(file)}}) as found:
        yield found


@pytest.fixture(scope="session")
def _token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithTokens]:
    registry_program()
    pytest.importorskip("cryptography", reason="needs the Python package cryptography")
    from tests.support.tokens import ISSUER, SERVICE, TokenServer

    root = tmp_path_factory.mktemp("tokens")
    tokens = TokenServer(root / "authority", USERNAME, PASSWORD)
    bundle = str(tokens.authority.pair.cert)
    wanted = {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}
    try:
        with running(root, auth={"token": wanted}) as found:
            yield WithTokens(found.host, found.root, tokens)
    finally:
        tokens.close()


@pytest.fixture
def token_registry(_token_registry: WithTokens) -> WithTokens:
    """A registry over plain HTTP that wants Bearer tokens; its server is as new."""
    _token_registry.tokens.reset()
    return _token_registry


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithTls]:
    """A registry over HTTPS whose authority nobody knows."""
    with _over_tls(tmp_path_factory.mktemp("tls"), {}) as found:
        yield found


@pytest.fixture(scope="session")
def mutual_tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WithTls]:
    """A registry over HTTPS that wants to see a client certificate of its authority."""
    root = tmp_path_factory.mktemp("mutual-tls")
    with _over_tls(root, {"clientcas": [str(root / "authority" / "ca.crt")]}) as found:
        yield found


@contextlib.contextmanager
def _over_tls(root: Path, more: dict[str, Any]) -> Iterator[WithTls]:
    registry_program()
    pytest.importorskip("cryptography", reason="needs the Python package cryptography")
    from tests.support.certificates import Authority

    authority = Authority(root / "authority")
    server = authority.server()
    tls = {"certificate": str(server.cert), "key": str(server.key), "minimumtls": "tls1.2"}
    with running(root, http={"tls": tls | more}) as found:
        yield WithTls(found.host, found.root, authority)
