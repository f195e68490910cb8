"""Runs the command line in this process, with nothing of the user's environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kitfast import aio
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


class Call:
    """The API in a verb's place: keeps what it was called with, returns what it is told."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.args, self.kwargs = args, kwargs
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


Fake = Callable[[str, Any], Call]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Fake:
    def fake(verb: str, result: Any) -> Call:
        call = Call(result)
        monkeypatch.setattr(aio, verb, call)
        return call

    return fake


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
