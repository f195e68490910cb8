"""Attack: so many members that remembering them would fill the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.hostile import END, block, digest

from kitfast._core import Landing, Store, Target
from kitfast.errors import UnsafeMember

MEMBERS = 100_000
FOLDERS = b"".join(block(b"d/%d/" % number, flag=b"5") for number in range(MEMBERS))


def peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kib()


def test_members_are_remembered_as_a_few_bytes(tmp_path: Path) -> None:
    tar = FOLDERS + block(b"../evil") + END
    target = Target(tmp_path / "root")
    landing = Landing.into_target(target, digest(tar), len(tar), "tar")
    before = forget_peak()
    with pytest.raises(UnsafeMember):
        landing.write(0, tar)
    grown = peak_kib() - before
    landing.discard()
    assert grown < 20_000, f"{grown} KiB for {MEMBERS} members"


def test_the_store_keeps_no_member_in_memory(tmp_path: Path) -> None:
    tar = FOLDERS + END
    store = Store(tmp_path / "store")
    landing = Landing.into_store(store, digest(tar), len(tar), "tar")
    before = forget_peak()
    landing.write(0, tar)
    landing.finish()
    grown = peak_kib() - before
    assert store.size(digest(tar)) == len(tar)
    assert grown < 10_000, f"{grown} KiB for {MEMBERS} members"
