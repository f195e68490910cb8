"""`resolve --forget` by a user whom the modes of a kit's folders keep out of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import PROGRAM
from tests.support.readonly import USER


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that another user can get at, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="kitfast-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_folders_that_may_not_be_written_or_read_go_again_and_again(place: Path) -> None:
    user = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("needs setpriv (util-linux): nothing is read-only to root")
        user = [setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        os.chown(place, int(USER), int(USER))
    source = place / "source"
    folders.write(source / "d" / "e" / "file", b"data")
    folders.write(source / "Kitfile", b"manifestVersion: 1.0.0\nmodel: {path: d}\n")

    def start(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.defpath, "KITFAST_HOME": str(place / "home")}
        command = [*user, str(PROGRAM), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def run(*words: str) -> str:
        done = start(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    if start("version").returncode:
        pytest.skip("another user cannot get at the program")
    run("pack", str(source), "--tag", "kit:v1")
    for _ in range(2):
        tree = Path(run("resolve", "kit:v1").strip())
        # As the tar of a kit may say.
        (tree / "d" / "e").chmod(0)
        (tree / "d").chmod(0o555)
        tree.chmod(0o555)
        assert run("resolve", "--forget", "kit:v1") == f"Removed {tree}\n"
        assert list((place / "home" / "trees").iterdir()) == []
