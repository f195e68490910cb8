"""Runs kitfast as its users do: the installed command, in a home of its own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("kitfast")
LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `peak` is its largest resident memory in bytes."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    peak: int


class Kitfast:
    """The command with a store in `folder/home` and an empty user home in `folder/user`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.user = folder / "user"
        self.user.mkdir(parents=True, exist_ok=True)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Only what kitfast needs: nothing of the developer's own settings comes in."""
        kept = {"PATH": os.defpath, "HOME": str(self.user), "LANG": "C.UTF-8"}
        return kept | {"KITFAST_HOME": str(self.home)} | dict(extra or {})

    def start(
        self,
        *arguments: str | Path,
        extra: Mapping[str, str] | None = None,
        stdout: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.DEVNULL,
        cwd: Path | None = None,
        before: Callable[[], None] | None = None,
        program: str | Path = PROGRAM,
    ) -> subprocess.Popen[bytes]:
        """Starts a command and does not wait; `before` runs in the child, before it.

        Another `program` is given what kitfast would be.
        """
        return subprocess.Popen(
            [program, *arguments],
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd or self.user,
            preexec_fn=before,
        )

    def run(
        self,
        *arguments: str | Path,
        status: int | None = 0,
        extra: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        before: Callable[[], None] | None = None,
    ) -> Outcome:
        """Runs a command to its end.

        Raises:
            AssertionError: it ended with another status than `status` (None: any will do).
        """
        start = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = self.start(
                *arguments,
                extra=extra,
                stdout=out.fileno(),
                stderr=err.fileno(),
                cwd=cwd,
                before=before,
            )
            peak = wait(child)
            seconds = time.monotonic() - start
            texts = [read_back(file.fileno()) for file in (out, err)]
        outcome = Outcome(child.returncode, texts[0], texts[1], seconds, peak)
        words = " ".join(map(str, arguments))
        assert status in (None, outcome.status), f"kitfast {words}: {outcome}"
        return outcome


def wait(child: subprocess.Popen[bytes]) -> int:
    """Waits for a child, and returns the largest resident memory it was seen with, in bytes.

    The kernel's own account of a child begins with the memory of the process it was
    forked from, here the whole of pytest, so the child is looked at while it runs.

    Raises:
        AssertionError: it does not end; it is killed.
    """
    end = time.monotonic() + LIMIT_SECONDS
    peak = 0
    while not _has_ended(child):
        peak = max(peak, resident_peak(child.pid))
        if time.monotonic() > end:
            child.kill()
            child.wait()
            raise AssertionError(f"{child.args!r} does not end")
        time.sleep(0.005)
    return peak


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        child.returncode = os.waitstatus_to_exitcode(status)
    return bool(pid)


def resident_peak(pid: int) -> int:
    """The largest resident memory of a running process so far, in bytes; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def read_back(descriptor: int) -> str:
    """Everything a child wrote into a temporary file."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")


def refused(outcome: Outcome, *words: str) -> None:
    """Asserts that a command failed as promised: status 1, one error, a hint, no traceback."""
    lines = outcome.stderr.splitlines()
    assert outcome.status == 1, outcome
    assert "Traceback" not in outcome.stderr, outcome.stderr
    assert sum(line.startswith("error: ") for line in lines) == 1, outcome.stderr
    assert any(line.startswith("hint: ") for line in lines), outcome.stderr
    for word in words:
        assert word.lower() in outcome.stderr.lower(), f"{word!r} is missing in: {outcome.stderr}"


def wait_for_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Returns as soon as a started command accepts connections on 127.0.0.1.

    Raises:
        AssertionError: it ended, or it does not listen in time.
    """
    end = time.monotonic() + 20
    while time.monotonic() < end and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"{child.args!r} does not listen on port {port}")
