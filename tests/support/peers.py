"""Finds and runs the programs of others that tests exchange kits with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of a peer, or the test is skipped with a plain word."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} on PATH (`make interop` installs it)")
    return found


def run(*words: str | Path, cwd: Path | None = None, extra: Mapping[str, str] | None = None) -> str:
    """Runs a peer and returns what it printed."""
    environment = os.environ | dict(extra or {})
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout
