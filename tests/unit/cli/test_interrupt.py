"""Ctrl-C and SIGTERM: exit status, within a second, and a word on how to go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from kitfast.cli.interrupt import RESUMABLE

# A program with one verb, `work`, whose body the test chooses.
PROGRAM = """
import asyncio, sys, time
from kitfast.cli import app, process
from kitfast.cli.options import verb

async def body():
    print("ready", flush=True)
    {body}

def work(session):
    "Work."
    session.run(lambda progress: body(), resumable=True)

app.verbs = lambda first_word: (verb(work, "kitfast work", reports=False),)
sys.exit(process.run(["work"]))
"""

COOPERATIVE = "await asyncio.sleep(30)"
FAILING = """
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        raise ConnectionError("cancelled underneath")
"""
DEAF = """
    while True:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            pass
"""
BLOCKED_LOOP = "time.sleep(30)"
BLOCKED_THREAD = "await asyncio.to_thread(time.sleep, 30)"


def stop(body: str, *signals: signal.Signals) -> tuple[int, str, float]:
    """Runs the program, sends the signals, and returns status, errors and seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        began = time.monotonic()
        for number in signals:
            program.send_signal(number)
            time.sleep(0.05)
        _, errors = program.communicate(timeout=20)
        return program.returncode, errors, time.monotonic() - began


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_verb_that_listens_ends_at_once(number: signal.Signals, status: int) -> None:
    assert stop(COOPERATIVE, number)[:2] == (status, RESUMABLE)


def test_the_signal_is_the_reason_whatever_the_verb_then_fails_with() -> None:
    assert stop(FAILING, signal.SIGINT)[:2] == (130, RESUMABLE)


@pytest.mark.parametrize("body", [DEAF, BLOCKED_LOOP, BLOCKED_THREAD])
def test_what_does_not_listen_is_killed_after_a_second(body: str) -> None:
    status, errors, seconds = stop(body, signal.SIGINT)
    assert (status, errors) == (130, RESUMABLE)
    # A second of grace, and some for a machine that is busy: it would sleep for thirty.
    assert seconds < 10


def test_a_second_signal_kills_at_once() -> None:
    # What is killed after the second of grace says so.
    assert stop(DEAF, signal.SIGINT, signal.SIGINT)[:2] == (130, "")


# Ctrl-C comes as soon as anybody asks for the module, and Python sees it there.
WHILE_IMPORTING = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
sys.argv[1:] = ["list"]
from kitfast.cli import program
sys.exit(program())
"""


@pytest.mark.parametrize("module", ["kitfast.cli.process", "typer", "asyncio"])
def test_ctrl_c_while_the_program_starts_ends_it_without_a_traceback(module: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WHILE_IMPORTING.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, "\n", "")
