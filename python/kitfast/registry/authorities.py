"""Imports aiohttp; where kitfast is alone, without the authorities it would read."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .. import tenancy

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def import_aiohttp() -> None:
    """Imports aiohttp before the modules here do.

    aiohttp reads the system's authorities when it is imported, twice: a fifth of a short
    pull's time. Nothing here uses them: `tls` makes the contexts, when HTTPS is spoken.
    A process where kitfast is a guest may use aiohttp as well, and gets it as it is. Contexts that
    have read nothing trust nobody, so that nothing gets through that should not.
    """
    if tenancy.alone and "aiohttp" not in sys.modules:
        with _no_authorities():
            importlib.import_module("aiohttp")


@contextmanager
def _no_authorities() -> Iterator[None]:
    """Points OpenSSL to empty places for the length of the block."""
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
