"""What a landing promises to Python: any order and thread, properties, errors."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import END, digest, member

from kitfast._core import Landing, Meter, Store, Target
from kitfast.errors import (
    AlreadyExists,
    Busy,
    Cancelled,
    FileError,
    InvalidArgument,
    NoSpace,
    UnsafeMember,
)

DATA = random.Random(3)
FILES = {f"d/{size}": DATA.randbytes(size) for size in (0, 1, 70_000, 3_000_000, 40_000)}
TAR = b"".join(member(name.encode(), data) for name, data in FILES.items()) + END


def into_store(folder: Path, blob: bytes, shape: str = "whole") -> Landing:
    return Landing.into_store(Store(folder), digest(blob), len(blob), shape)


def test_many_threads_with_overlapping_ranges(tmp_path: Path) -> None:
    target = Target(tmp_path)
    landing = Landing.into_target(target, digest(TAR), len(TAR), "tar")
    chance = random.Random(5)
    starts = [max(0, at - 5000) for at in range(0, len(TAR), 30_000)] * 2
    chance.shuffle(starts)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: landing.write(at, TAR[at : at + 40_000]), starts))
    assert landing.missing() == []
    assert landing.received == landing.size == len(TAR)
    landing.finish()
    assert (target.files, target.bytes) == (len(FILES), sum(map(len, FILES.values())))
    target.finish()
    for name, data in FILES.items():
        assert (tmp_path / name).read_bytes() == data


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 900)), max_size=20),
    st.integers(0, 5000),
)
def test_missing_is_what_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int]], size: int
) -> None:
    blob = random.Random(size).randbytes(size)
    landing = into_store(tmp_path_factory.mktemp("home"), blob)
    there = bytearray(size)
    for at, length in writes:
        part = blob[at : at + length]
        if at <= size:
            landing.write(at, part)
            there[at : at + len(part)] = b"\1" * len(part)
    missing = landing.missing()
    rebuilt = bytearray(b"\1" * size)
    for start, end in missing:
        rebuilt[start:end] = bytes(end - start)
        assert start < end
    assert rebuilt == there
    for start, end in missing:
        landing.write(start, blob[start:end])
    landing.finish()


def test_keep_and_go_on(tmp_path: Path) -> None:
    landing = into_store(tmp_path, TAR, "tar")
    landing.write(100_000, TAR[100_000:2_000_000])
    landing.keep()
    with pytest.raises(InvalidArgument):
        landing.write(0, b"x")
    again = into_store(tmp_path, TAR, "tar")
    assert (again.reused, again.received) == (1_900_000, 1_900_000)
    assert again.missing() == [(0, 100_000), (2_000_000, len(TAR))]
    for start, end in again.missing():
        again.write(start, TAR[start:end])
    again.finish()
    assert Store(tmp_path).blob(digest(TAR)).read(0, len(TAR)) == TAR


def test_a_damaged_journal_is_told_and_not_used(tmp_path: Path) -> None:
    landing = into_store(tmp_path, TAR)
    landing.write(0, TAR[:100])
    landing.keep()
    (journal,) = tmp_path.glob("landing/*/journal")
    journal.write_bytes(journal.read_bytes()[::-1])
    again = into_store(tmp_path, TAR)
    assert again.reused == 0
    assert again.warning is not None
    assert "earlier run" in again.warning


def test_partial_files_that_shrank_are_told_and_not_used(tmp_path: Path) -> None:
    landing = into_store(tmp_path, TAR)
    landing.write(0, TAR[:100])
    landing.keep()
    (partial,) = tmp_path.glob("landing/*/0/0")
    partial.write_bytes(b"")
    again = into_store(tmp_path, TAR)
    assert (again.reused, again.missing()) == (0, [(0, len(TAR))])
    assert again.warning is not None


def test_two_receivers_of_one_blob(tmp_path: Path) -> None:
    first = into_store(tmp_path, TAR)
    with pytest.raises(Busy):
        into_store(tmp_path, TAR)
    first.discard()
    into_store(tmp_path, TAR)


def test_cancelled_finish_leaves_it_open(tmp_path: Path) -> None:
    blob = bytes(30_000_000)
    landing = into_store(tmp_path, blob)
    landing.write(0, blob)
    meter = Meter()
    meter.cancel()
    with pytest.raises(Cancelled):
        landing.finish(meter)
    landing.finish()
    assert Store(tmp_path).size(digest(blob)) == len(blob)


def test_contents_are_shared_between_shapes(tmp_path: Path) -> None:
    weights = FILES["d/3000000"]
    for blob, shape in ((weights, "whole"), (member(b"w", weights) + END, "tar")):
        landing = into_store(tmp_path, blob, shape)
        landing.write(0, blob)
        landing.finish()
    contents = [path for path in tmp_path.glob("contents/*/*") if path.is_file()]
    assert [path.stat().st_size for path in contents] == [len(weights)]


def test_existing_file_is_told_before_a_byte_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"mine")
    with pytest.raises(AlreadyExists):
        Landing.into_target(Target(tmp_path), digest(TAR), len(TAR), "whole", "weights")
    kept = Target(tmp_path, "keep")
    landing = Landing.into_target(kept, digest(TAR), len(TAR), "whole", "weights")
    assert landing.missing() == []
    landing.finish()
    kept.finish()
    assert kept.kept == 1
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_existing_file_in_a_tar_is_told_with_its_header(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "70000").write_bytes(b"mine")
    target = Target(tmp_path)
    landing = Landing.into_target(target, digest(TAR), len(TAR), "tar")
    with pytest.raises(AlreadyExists):
        landing.write(0, TAR[:10_000])
    landing.discard()
    target.finish()
    assert [path.name for path in tmp_path.rglob("*")] == ["d", "70000"]


def test_modes(tmp_path: Path) -> None:
    tar = member(b"d/", flag=b"5", mode=0o7500) + member(b"d/run", b"#!", mode=0o6755) + END
    target = Target(tmp_path)
    landing = Landing.into_target(target, digest(tar), len(tar), "tar")
    landing.write(0, tar)
    landing.finish()
    target.finish()
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o500
    assert (tmp_path / "d" / "run").stat().st_mode & 0o7722 == 0o700
    (tmp_path / "d").chmod(0o700)


def test_no_room_is_told_at_once(tmp_path: Path) -> None:
    size = 1 << 55
    with pytest.raises((NoSpace, FileError)):
        Landing.into_target(Target(tmp_path), digest(b""), size, "whole", "weights")


@pytest.mark.parametrize(
    ("shape", "name"),
    [("whole", None), ("tar", "weights"), ("zip", None), ("whole", "."), ("tar+zstd", "x")],
)
def test_arguments_that_do_not_fit(tmp_path: Path, shape: str, name: str | None) -> None:
    with pytest.raises(InvalidArgument):
        Landing.into_target(Target(tmp_path), digest(b""), 0, shape, name)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:\\x", ".kitfast-staging"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    target = Target(tmp_path / "root")
    with pytest.raises(UnsafeMember):
        Landing.into_target(target, digest(b""), 0, "whole", name)
    with pytest.raises(UnsafeMember):
        target.put(name, b"")


@pytest.mark.parametrize("shape", ["whole", "tar"])
def test_a_blob_of_no_bytes(tmp_path: Path, shape: str) -> None:
    into_store(tmp_path, b"", shape).finish()
    assert Store(tmp_path).size(digest(b"")) == 0
    target = Target(tmp_path / "root")
    Landing.into_target(target, digest(b""), 0, "whole", "empty").finish()
    assert (tmp_path / "root" / "empty").read_bytes() == b""
