"""Runs the command line in this process, with nothing of the user's environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kitfast.cli import main


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine decides a test, and nothing is written to its home."""
    import os

    for name in list(os.environ):
        if name.startswith(("KITFAST_", "KITOPS_", "KIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KITFAST_HOME", str(tmp_path / "home"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls `main` with the words given and returns its status and what it wrote."""

    def run(*words: str) -> Ended:
        capsys.readouterr()
        status = main(words)
        return Ended(status, *capsys.readouterr())

    return run
