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
    # A second of grace, and as much again for a machine that is busy with other tests.
    assert seconds < 2.5


def test_a_second_signal_kills_at_once() -> None:
    status, errors, seconds = stop(DEAF, signal.SIGINT, signal.SIGINT)
    assert (status, errors) == (130, "")
    assert seconds < 0.8
