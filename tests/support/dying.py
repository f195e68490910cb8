"""Receives a blob again and again in processes that die at random points.

Run as `python dying.py SINK FOLDER BLOB SHAPE KILLS`. Each process is killed by a timer
whose default action ends it at once, wherever it is; the next one goes on with what it
left. Ends with 0 once that many were killed and every blob that got through was right.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import signal
import sys
import tarfile
import traceback
from pathlib import Path

from kitfast._core import Landing, Store, Target

STEP = 65_536


class Receiver:
    """Where a blob goes, and how to tell that it got there."""

    def __init__(self, sink: str, folder: Path, blob: bytes, shape: str) -> None:
        self.sink, self.folder, self.blob, self.shape = sink, folder, blob, shape
        self.digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        self.done = folder.with_name("done")

    def open(self) -> tuple[Landing, Target | None]:
        size = len(self.blob)
        if self.sink == "store":
            return Landing.into_store(Store(self.folder), self.digest, size, self.shape), None
        target = Target(self.folder)
        name = "weights" if self.shape == "whole" else None
        landing = Landing.into_target(target, self.digest, size, self.shape, name)
        return landing, target

    def receive(self, chance: random.Random) -> None:
        landing, target = self.open()
        assert landing.warning is None, landing.warning
        parts = [
            (at, min(at + STEP, end))
            for start, end in landing.missing()
            for at in range(start, end, STEP)
        ]
        chance.shuffle(parts)
        for start, end in parts:
            landing.write(start, self.blob[start:end])
            if chance.random() < 0.05:
                landing.keep()
                landing, target = self.open()
        landing.finish()
        self.done.touch()
        if target is not None:
            target.finish()

    def check(self, files: dict[str, bytes], *, complete: bool) -> None:
        """Under a final name there is the right file or none, at any time."""
        if self.sink == "store":
            held = Store(self.folder).size(self.digest)
            assert held == len(self.blob) or not complete
            if held is not None:
                assert Store(self.folder).blob(self.digest).read(0, held) == self.blob
            return
        expected = {"weights": self.blob} if self.shape == "whole" else files
        for name, data in expected.items():
            path = self.folder / name
            assert path.exists() or not complete, name
            assert not path.exists() or path.read_bytes() == data, name


def files_of(blob: bytes) -> dict[str, bytes]:
    """The files of a plain tar, read by another reader than ours."""
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar if member.isfile()]
        return {name: body.read() for name, body in members if body is not None}


def one_process(receiver: Receiver, seconds: float, seed: int) -> int:
    """Forks a process that dies after so many seconds; returns how it ended."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        status = 1
        try:
            receiver.receive(random.Random(seed))
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(sink: str, folder: str, blob_path: str, shape: str, kills: str) -> None:
    blob = Path(blob_path).read_bytes()
    receiver = Receiver(sink, Path(folder), blob, shape)
    files = files_of(blob)
    chance = random.Random(f"{sink} {shape}")
    killed, through, seed = 0, 0, 0
    while killed < int(kills) or through == 0:
        seed += 1
        # Now and then one is let through, so that the end is reached often as well.
        seconds = chance.random() * 0.05 if killed < int(kills) else 0.0
        ended = one_process(receiver, seconds, seed)
        assert ended in (0, -signal.SIGALRM), f"process {seed} ended with {ended}"
        killed += ended != 0
        complete = ended == 0 or receiver.done.exists()
        receiver.check(files, complete=complete)
        if complete:
            through += 1
            shutil.rmtree(receiver.folder)
            receiver.done.unlink()
    print(f"{killed} killed, {through} through")


if __name__ == "__main__":
    main(*sys.argv[1:])
