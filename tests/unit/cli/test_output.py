"""Standard output that breaks: a gone reader is no error, a full disk is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [["version"], ["list"]]


def run(words: list[str], stdout: int) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "kitfast", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_reader_that_has_gone_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert run(words, writer) == (141, "")
    finally:
        os.close(writer)


def test_help_has_no_traceback_for_a_reader_that_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, errors = run(["--help"], writer)
    finally:
        os.close(writer)
    assert status != 0  # typer writes help, and has a status of its own for this
    assert errors == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_full_disk_is_told(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, errors = run(words, full.fileno())
    assert status == 1
    assert errors.startswith("error: cannot write to standard output: No space left")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_output_that_was_closed_before_is_told(words: list[str]) -> None:
    ended = closed(words, 1)
    assert ended.returncode == 1
    assert ended.stderr == "error: cannot write to standard output: it is closed\n"


@pytest.mark.parametrize(("words", "status"), [(["version"], 0), (["info", "nothing:here"], 1)])
def test_errors_that_nobody_wants_are_not_told(words: list[str], status: int) -> None:
    ended = closed(words, 2)
    assert ended.returncode == status


def closed(words: list[str], stream: int) -> subprocess.CompletedProcess[str]:
    """Runs a command whose standard output (1) or error (2) is closed."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}>&-', "sh", sys.executable, "-m", "kitfast", *words],
        capture_output=True,
        text=True,
        check=False,
    )
