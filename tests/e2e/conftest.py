"""Two homes that know nothing of each other: who packs and pushes, and who pulls."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.registries import (
    _token_registry,
    htpasswd_registry,
    plain_registry,
    tls_registry,
    token_registry,
)

__all__ = [
    "_token_registry",
    "htpasswd_registry",
    "plain_registry",
    "tls_registry",
    "token_registry",
]


@pytest.fixture
def kitfast(tmp_path: Path) -> Kitfast:
    """The command with an empty home."""
    return Kitfast(tmp_path / "ours")


@pytest.fixture
def other(tmp_path: Path) -> Kitfast:
    """The command with another empty home, as on another machine."""
    return Kitfast(tmp_path / "theirs")
