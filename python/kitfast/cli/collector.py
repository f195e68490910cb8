"""Keeps Python's collector from looking for garbage among what stays to the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared() -> Iterator[None]:
    """Holds the collector back while a program is imported, and at its end.

    What imports make is no garbage, and at its end the system takes back everything at
    once: a fifth of a short command's time would go into looking. `resume` is called in
    between, when the work begins.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()


def resume() -> None:
    """Lets the collector work, on what is made from now on; without `spared`, nothing changes."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
