"""Runs a command and says what it cost: wall, CPU, memory, bytes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a command and its children used; seconds and bytes.

    `anonymous` is the largest anonymous memory seen (sampled every 20 ms), which page cache
    and mapped files do not count to; `resident` is the kernel's own peak, which they do.
    `machine` is the CPU time of all that ran meanwhile: registry, links and kernel too.
    """

    wall: float
    cpu: float
    resident: int
    anonymous: int
    read: int
    written: int
    machine: float = 0.0

    @staticmethod
    def total(costs: Sequence[Cost], written: int) -> Cost:
        """The cost of commands that ran one after the other, with `written` as given."""
        return Cost(
            sum(cost.wall for cost in costs),
            sum(cost.cpu for cost in costs),
            max(cost.resident for cost in costs),
            max(cost.anonymous for cost in costs),
            sum(cost.read for cost in costs),
            written,
            sum(cost.machine for cost in costs),
        )


class Failed(Exception):
    """The command ended with an error; the text is the end of what it printed."""


def run(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
    cwd: Path | None = None,
) -> Cost:
    """Runs `command` to its end.

    Raises:
        Failed: it ended with another status than 0, or took longer than `timeout` seconds.
    """
    begun, start = busy(), time.perf_counter()
    child = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
    )
    watcher = _Watcher(child.pid)
    watcher.start()
    killer = threading.Timer(timeout, child.kill)
    killer.start()
    assert child.stdout is not None
    output = child.stdout.read()
    # Waits without reaping: /proc still tells what the process read and wrote.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    wall, machine = time.perf_counter() - start, busy() - begun
    killer.cancel()
    watcher.stop()
    io = _io(child.pid)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {child.returncode}: {output[-2000:].decode()}")
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
        watcher.peak,
        io.get("rchar", 0),
        io.get("wchar", 0),
        machine,
    )


def busy() -> float:
    """CPU seconds that all cores have worked since the machine started."""
    user, nice, system, _, _, irq, softirq = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _io(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


class _Watcher(threading.Thread):
    """Samples a process's anonymous memory until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._status = Path(f"/proc/{pid}/status")
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.02):
            try:
                text = self._status.read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("RssAnon:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)

    def stop(self) -> None:
        """Ends the sampling."""
        self._stopped.set()
        self.join()
