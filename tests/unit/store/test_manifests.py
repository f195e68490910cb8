"""Manifests on disk: exact bytes, checked whenever they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitfast.errors import Corrupt
from kitfast.oci import digest
from kitfast.store.manifests import Manifests


def test_bytes_come_back_as_they_went_in(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path)
    data = b'{"a": 1}\n'
    assert manifests.put(data) == manifests.put(data) == digest.of(data)
    assert manifests.get(digest.of(data)) == data
    assert manifests.digests() == [digest.of(data)]
    manifests.remove(digest.of(data))
    manifests.remove(digest.of(data))
    assert manifests.get(digest.of(data)) is None


@pytest.mark.parametrize("damage", [b"", b'{"a": 2}\n', b"x" * (4 * 2**20 + 1)])
def test_damaged_bytes_are_refused(tmp_path: Path, damage: bytes) -> None:
    manifests = Manifests(tmp_path)
    name = manifests.put(b'{"a": 1}\n')
    manifests.path(name).write_bytes(damage)
    with pytest.raises(Corrupt):
        manifests.get(name)
