"""Moves a real model through a registry and shows what each step took."""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import check
import model

KITFAST = Path(sys.executable).with_name("kitfast")
COPIES = 5  # the folder, the packer's store, the registry's, the puller's, the unpacked folder


class Table:
    """Prints one line a step: what it moved, how long it took, how fast that is."""

    def __init__(self) -> None:
        print(f"{'step':<28}{'bytes':>16}{'seconds':>10}{'MB/s':>9}{'peak MiB':>10}")

    def line(self, step: str, size: int, seconds: float, peak_kib: int = 0) -> None:
        """Prints the line of one step; a peak of 0 is not shown."""
        rate = f"{size / 1e6 / seconds:.0f}" if size else "-"
        peak = f"{peak_kib / 1024:.0f}" if peak_kib else "-"
        print(f"{step:<28}{size:>16,}{seconds:>10.2f}{rate:>9}{peak:>10}", flush=True)

    def inside(self, step: str, work: Callable[[], int]) -> None:
        """Does one step here and prints its line; `work` returns the bytes it handled."""
        start = time.monotonic()
        size = work()
        self.line(step, size, time.monotonic() - start)

    def command(self, step: str, size: int, *arguments: str | Path) -> None:
        """Runs one kitfast command, as a user would, and prints its line.

        Raises:
            SystemExit: the command failed; what it wrote is shown.
        """
        start = time.monotonic()
        with tempfile.TemporaryFile() as output:
            words = [str(KITFAST), *map(str, arguments)]
            child = subprocess.Popen(words, stdout=output, stderr=output)
            peak = 0
            while child.poll() is None:
                peak = max(peak, resident_peak(child.pid))
                time.sleep(0.002)
            seconds = time.monotonic() - start
            output.seek(0)
            text = output.read().decode(errors="replace")
        if child.returncode != 0:
            raise SystemExit(f"{text}error: `{' '.join(words)}` ended with {child.returncode}")
        self.line(step, size, seconds, peak)


def resident_peak(pid: int) -> int:
    """Returns the largest resident memory of a running process so far, in KiB.

    What the kernel tells once a process has ended counts its parent's memory, too.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


@contextmanager
def registry(home: Path, log: Path) -> Iterator[str]:
    """Runs kitfast's own registry over `home` on loopback and yields its host:port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [KITFAST, "--config", home, "serve", "--port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as server,
    ):
        try:
            wait_for(port, server, log)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=10)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Returns as soon as something listens on `port`.

    Raises:
        SystemExit: the server ended, or does not listen after 20 seconds.
    """
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{log.read_text()}error: kitfast serve does not listen on port {port}")


def room(folder: Path, size: int) -> None:
    """Checks that the disk holds what the demo writes.

    Raises:
        SystemExit: it does not; says how much is missing.
    """
    free, need = shutil.disk_usage(folder).free, COPIES * size
    if free < need:
        raise SystemExit(
            f"error: {folder} has {free / 1e9:.1f} GB free, the demo needs {need / 1e9:.1f} GB\n"
            "hint: choose a smaller SIZE=MiB, or another folder by TMPDIR=folder"
        )


def prepare(source: Path, mine: Path | None, size_mib: int) -> int:
    """Fills `source` with the demo's model, or with the files of `mine`; returns its bytes."""
    if mine is None:
        model.make(source, size_mib)
    else:
        model.borrow(mine, source)
    return model.folder_size(source)


def demo(work: Path, mine: Path | None, size_mib: int) -> None:
    """Runs every step in the empty folder `work`."""
    source, unpacked = work / "model", work / "unpacked"
    packer, puller = work / "packer", work / "puller"
    room(work, model.folder_size(mine) if mine else size_mib * 2**20)
    table = Table()
    source.mkdir()
    table.inside("make the model folder", lambda: prepare(source, mine, size_mib))
    size = model.folder_size(source)
    table.command("kitfast init", 0, "init", source, "--name", "demo", "--desc", "A demo.")
    with registry(work / "registry", work / "serve.log") as host:
        kit = f"{host}/demo/model:v1"
        at_packer, at_puller = ("--config", packer), ("--config", puller)
        table.command("kitfast pack", size, *at_packer, "pack", source, "--tag", kit)
        table.command("kitfast push", size, *at_packer, "push", kit, "--plain-http")
        table.command("kitfast pull (empty home)", size, *at_puller, "pull", kit, "--plain-http")
    # The registry is gone: what is unpacked now can only come from what was pulled.
    table.command("kitfast unpack", size, *at_puller, "unpack", kit, "--dir", unpacked)
    table.inside("compare every byte", lambda: check.compare(source, unpacked))
    tensors: list[int] = []

    def load() -> int:
        count, loaded = check.load(unpacked)
        tensors.append(count)
        return loaded

    table.inside("load the safetensors", load)
    print(f"\nevery byte is equal, {tensors[0]} tensors load: {kit.partition('/')[2]} is fine")


def main() -> None:
    """Reads the arguments, and runs the demo in a temporary folder that is removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the whole, in MiB")
    parser.add_argument("--model", type=Path, help="a folder of your own, instead")
    arguments = parser.parse_args()
    if arguments.model is not None and not arguments.model.is_dir():
        raise SystemExit(f"error: {arguments.model} is not a folder")
    with tempfile.TemporaryDirectory(prefix="kitfast-demo-") as work:
        demo(Path(work), arguments.model, arguments.size_mib)


if __name__ == "__main__":
    main()
