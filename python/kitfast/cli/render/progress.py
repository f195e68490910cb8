"""Chooses how progress is shown: live bars, lines, a heartbeat, or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kitfast.progress import Callback


@contextmanager
def display(style: str | None) -> Iterator[Callback | None]:
    """Yields the callback that shows progress on standard error; None shows nothing.

    Args:
        style: none, plain, fancy or heartbeat; None is fancy. Bars need a terminal: elsewhere
            fancy becomes plain.
    """
    if style == "none" or sys.stderr is None:
        yield None
    elif style == "heartbeat":
        from kitfast.cli.render.heartbeat import Heartbeat

        with Heartbeat() as heartbeat:
            yield heartbeat
    elif style != "plain" and _can_draw():
        from kitfast.cli.render.live import Live

        with Live() as live:
            yield live
    else:
        from kitfast.cli.render.lines import Lines

        yield Lines()


def _can_draw() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def short(name: str) -> str:
    """A name that fits beside a bar: digests to the twelve digits people compare."""
    algorithm, colon, digits = name.rpartition(":")
    if colon and algorithm.endswith("sha256") and len(digits) == 64:
        return f"{algorithm.removesuffix('sha256')}{digits[:12]}"
    return name
