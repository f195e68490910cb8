"""Every attack on unpacking goes through every door, and must leave nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.hostile import DOORS, Door, entries

from kitfast.errors import KitfastError

Refuses = Callable[[bytes, type[KitfastError]], KitfastError]


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__)
def door(request: pytest.FixtureRequest) -> Door:
    """One way a tar gets from a blob into a folder."""
    chosen: Door = request.param
    return chosen


@pytest.fixture
def refuses(door: Door, tmp_path: Path) -> Refuses:
    """Unpacks a tar that must be refused, with nothing written in or around the folder."""

    def check(tar: bytes, error: type[KitfastError]) -> KitfastError:
        around = tmp_path / "around"
        root = around / "root"
        root.mkdir(parents=True)
        with pytest.raises(error) as caught:
            door(root, tar)
        assert entries(root) == []
        assert {path.name for path in around.iterdir()} <= {"root", "store"}
        return caught.value

    return check
