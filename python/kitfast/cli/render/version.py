"""The text of `kitfast version`; imports next to nothing, to come at once."""

from __future__ import annotations

import os
import sys

from kitfast._core import __version__


def text(version: str = __version__, python: str = "", platform: str = "") -> str:
    """One line each for kitfast's version, Python's, and the machine's kind."""
    python = python or ".".join(str(part) for part in sys.version_info[:3])
    platform = platform or os.uname().machine
    return f"Version: {version}\nPython: {python}\nPlatform: {platform}\n"
