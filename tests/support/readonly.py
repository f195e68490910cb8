"""Runs a command, as another user, where one folder alone can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.commands import LIMIT_SECONDS, PROGRAM

USER = "1001"
# The folder stays writable as a mount of its own; every other mount that can be is not.
# /dev keeps its devices; /proc and /sys hold no files of anybody's.
SCRIPT = """
set -e
target=$1; shift
mount --bind "$target" "$target"
mount -o remount,bind,ro /
while read -r _ place _ flags _; do
    case $place in "$target"|/|/dev|/dev/pts|/dev/mqueue|/proc|/proc/*|/sys|/sys/*) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done < /proc/self/mounts
exec "$@"
"""


def run_read_only(
    target: Path, words: list[str], environment: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a mount namespace of its own, where only `target` can be written.

    It runs as user 1001 where that user can get at the program, else as the user we are.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare (util-linux)")
    wrapped = [unshare, "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]
    tried = subprocess.run([*wrapped, str(target), "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("needs the right to mount in a namespace of its own")
    user = _as_user()
    if user:
        for path in (target, *target.rglob("*")):
            os.chown(path, int(USER), int(USER))
    return subprocess.run(
        [*wrapped, str(target), *user, *words],
        env=dict(environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def _as_user() -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid():
        return []
    words = [setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    can = subprocess.run([*words, str(PROGRAM), "version"], capture_output=True, check=False)
    return words if can.returncode == 0 else []
