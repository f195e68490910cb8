"""Files of kits that nobody closes: no process waits for them when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.registries import Running, plain_registry

import kitfast
from kitfast.modelkit.worker import Worker
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
#: What a process takes to start, read and end, many times over; it used to last for ever.
SECONDS = 60

OPENS = """
import sys, kitfast
file = kitfast.open(sys.argv[1], "model.bin", unverified="unverified" in sys.argv)
assert len(file.read(10)) == 10
"""
ENDS = {
    "falls off": ("", 0),
    "exits": ("sys.exit(7)", 7),
    "fails": ("raise KeyError(file)", 1),
    "hides it": ("sys.modules['kept'] = [file]; del file", 0),
    "exits last": ("import atexit; atexit.register(file.read, 1)", 0),
    "forks": ("import os; os.fork() or sys.exit(0); os.wait(); file.read(10)", 0),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kits(
    home: Path, plain_registry: Running, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """One kit in the store, the same in a registry alone, and its file of groups."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.bin").write_bytes(os.urandom(5 << 20))
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: model.bin}\n")
    kitfast.pack(folder, tags=["local:v1"], home=home)
    remote = f"{plain_registry.host}/exit/kit:v1"
    kitfast.push(folder, remote, home=tmp_path_factory.mktemp("other"), network=PLAIN)
    return ["local:v1", remote, f"{remote} unverified"]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["store", "groups", "unverified"])
@pytest.mark.parametrize("end", ENDS)
def test_a_process_ends_with_a_file_open(home: Path, kits: list[str], which: int, end: str) -> None:
    code, status = ENDS[end]
    done = subprocess.run(
        [sys.executable, "-c", OPENS + code, *kits[which].split()],
        env={**os.environ, "KITFAST_HOME": str(home), "KITFAST_PLAIN_HTTP": "true"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == status, done.stderr
    # Nor does it speak of sessions and loops that were left open.
    assert "KeyError" in done.stderr if status == 1 else not done.stderr


def test_a_file_may_be_collected_on_its_own_thread() -> None:
    worker = Worker()

    async def close() -> None:
        worker.close()

    running = next(one for one in threading.enumerate() if one.name == "kitfast-open")
    worker.submit(close())
    running.join(10)
    assert not running.is_alive()
