"""Two homes that know nothing of each other: who packs and pushes, and who pulls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.faults import FaultyRegistry
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


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    """A registry that does nothing wrong, and counts what it sends."""
    with FaultyRegistry() as running:
        yield running
