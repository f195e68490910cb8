"""One run of the command line: every way it can end, and its exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import typer

from kitfast.cli import failures
from kitfast.cli.app import command
from kitfast.cli.interrupt import Interrupted
from kitfast.cli.render.output import BROKEN_PIPE, OutputClosed
from kitfast.cli.session import Session

PROGRAM = "kitfast"


def run(words: Sequence[str]) -> int:
    """Runs one command; whatever goes wrong is told on standard error.

    Returns:
        The exit status: 0, 1 for any failure, 130 after Ctrl-C, 143 after SIGTERM.
    """
    session = Session()
    try:
        return _run(_for_people(words), session)
    except Interrupted as signalled:
        sys.stderr.write(signalled.farewell)
        return signalled.status
    except OutputClosed:
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last place that can tell of it
        failures.tell(error, verbosity=session.verbosity)
        return 1


def _run(words: list[str], session: Session) -> int:
    try:
        status = command(words[0])(
            args=words, prog_name=PROGRAM, obj=session, standalone_mode=False
        )
    except SystemExit as exit:  # typer leaves so after printing a completion script
        status = exit.code
    except KeyboardInterrupt:
        return _stopped()
    except typer.Abort as abort:  # older typer's word for Ctrl-C, and for the end of input
        return _stopped() if isinstance(abort.__cause__, KeyboardInterrupt) else 1
    return status if isinstance(status, int) else 0


def _stopped() -> int:
    """Ctrl-C at a prompt, or before a verb has begun: there is nothing to resume."""
    sys.stderr.write("\n")
    return 128 + signal.SIGINT


def _for_people(words: Sequence[str]) -> list[str]:
    """`kitfast` alone, and `kitfast help VERB`, as people try them."""
    if not words:
        return ["--help"]
    if words[0] == "help":
        return [*words[1:], "--help"]
    return list(words)
