"""What one run of the command line knows: its flags; runs and shows verbs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kitfast import settings
from kitfast.cli import collector, interrupt
from kitfast.cli.failures import printable
from kitfast.cli.render import human, machine
from kitfast.cli.render.output import put
from kitfast.cli.render.progress import display
from kitfast.errors import InvalidArgument
from kitfast.progress import Callback
from kitfast.settings import Network

Result = TypeVar("Result")

log = logging.getLogger("kitfast")

TRACE = 5
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
STYLES = ("none", "plain", "fancy", "heartbeat")


@dataclass
class Session:
    """The flags as far as they are known; those after a verb win over those before it.

    `network` is None for verbs that reach no registry.
    """

    config: str | None = None
    style: str | None = None
    level: str | None = None
    verbose: int = 0
    network: Network | None = None
    json: bool = False

    @property
    def home(self) -> Path:
        """The folder of the store and the credentials."""
        return settings.home(self.config)

    @property
    def verbosity(self) -> int:
        """How much is told of a failure: 2 shows every traceback."""
        debug = self.level in ("debug", "trace")
        return max(self.verbose, 2 if debug else 0)

    def take(self, config: str | None, style: str | None, level: str | None, verbose: int) -> None:
        """Adds global flags as they are met."""
        self.config = config or self.config
        self.style = style or self.style
        self.level = level or self.level
        self.verbose += verbose

    def begin(self) -> None:
        """Reads what flags leave to the environment, and starts the log.

        Raises:
            InvalidArgument: a variable holds an unknown word.
        """
        self.style = self.style or _word(settings.PROGRESS, STYLES)
        self.level = self.level or _word(settings.LOG_LEVEL, tuple(LEVELS))
        if self.verbose >= 3:
            self.style = "none"
        level = LEVELS[self.level or "info"]
        if self.verbose:
            level = min(level, logging.DEBUG if self.verbose == 1 else TRACE)
        start_log(level)

    def run(
        self,
        work: Callable[[Callback | None], Coroutine[Any, Any, Result]],
        *,
        resumable: bool = False,
    ) -> Result:
        """Runs a verb, showing the progress it reports to the callback it is given.

        Args:
            work: makes the verb's coroutine of the callback.
            resumable: the same command goes on where a signal stopped it.

        Raises:
            Interrupted: a signal ended it.
        """
        collector.resume()
        with display(self.style) as callback:
            farewell = interrupt.RESUMABLE if resumable else interrupt.STOPPED
            return interrupt.run(lambda: work(callback), farewell)

    def show(self, result: Result, text: Callable[[Result], str]) -> None:
        """Writes a result to standard output, as JSON or as text for people.

        What it warns of, what of it failed, and how a transfer went is told on standard
        error in both cases.
        """
        for name in ("warnings", "failures"):
            for warning in getattr(result, name, ()):
                log.warning("%s", warning)
        put(machine.dumps(result) if self.json else text(result))
        flow = getattr(result, "flow", None)
        if flow is not None and self.style != "none":
            log.info("%s", human.flow(flow))


def start_log(level: int) -> None:
    """Sends the package's log to standard error."""
    logging.addLevelName(TRACE, "TRACE")
    handler = _Handler()
    handler.setFormatter(_Formatter())
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False


class _Handler(logging.Handler):
    """Writes where standard error is now: a live display may stand in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


class _Formatter(logging.Formatter):
    """One line a record: what strangers wrote must not drive the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        message = printable(record.message)
        if record.levelno == logging.INFO:
            return message
        return f"{record.levelname.lower()}: {message}"


def _word(variable: str, known: tuple[str, ...]) -> str | None:
    word = os.environ.get(variable) or None
    if word is not None and word not in known:
        raise InvalidArgument(
            f"{variable} is {word!r}", hint=f"set it to one of {', '.join(known)}, or unset it"
        )
    return word
