"""`version`: says which kitfast this is, and what its core can do here."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from kitfast import _core


@dataclass(frozen=True)
class Version:
    """kitfast's version, and the Python and machine it runs on."""

    version: str
    python: str
    platform: str


def version() -> Version:
    """Tells the version; imports nothing heavy, so that it answers at once."""
    return Version(_core.__version__, platform.python_version(), platform.machine())
