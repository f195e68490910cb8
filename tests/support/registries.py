"""Starts real registries for tests, each on a port of its own, stopped by its pid."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

PROGRAM = "docker-registry"
START_SECONDS = 15.0


@dataclass(frozen=True)
class Running:
    """A registry that runs: where it is, what it wants, and where it keeps its files."""

    host: str
    root: Path
    username: str = ""
    password: str = ""
    authority: str | None = None
    log: Path = field(default=Path())


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
        yield Running(f"127.0.0.1:{port}", root, log=log)
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
