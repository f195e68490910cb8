"""Digests of files from the core, held against hashlib on any bytes and ranges."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kitfast import _core, errors

# One folder for all examples: every example writes its files anew.
ANEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LENGTHS = st.one_of(st.integers(0, 300), st.integers(262_000, 263_000), st.integers(0, 2_000_000))


def content(length: int, seed: int) -> bytes:
    """Returns `length` bytes that differ from seed to seed and do not repeat early."""
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(length)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@given(length=LENGTHS, seed=st.integers(0, 2**32), data=st.data())
@ANEW
def test_any_range_has_the_digest_hashlib_gives(
    tmp_path: Path, length: int, seed: int, data: st.DataObject
) -> None:
    path = tmp_path / "file"
    path.write_bytes(whole := content(length, seed))
    start = data.draw(st.integers(0, length))
    taken = data.draw(st.none() | st.integers(0, length - start))
    meter = _core.Meter()
    part = whole[start:] if taken is None else whole[start : start + taken]
    assert _core.sha256_file(path, meter, start, taken) == sha256(part)
    assert meter.done == len(part)


@given(lengths=st.lists(LENGTHS, max_size=14), seed=st.integers(0, 2**32))
@ANEW
def test_many_files_at_once_keep_their_digests_apart(
    tmp_path: Path, lengths: list[int], seed: int
) -> None:
    contents = [content(length, seed + index) for index, length in enumerate(lengths)]
    paths = [tmp_path / str(index) for index in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    assert _core.sha256_files(paths) == [sha256(data) for data in contents]


# BLAKE3 team, test_vectors.json: input bytes count 0, 1, … 250, 0, 1, …
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


@pytest.mark.parametrize("length", BLAKE3)
def test_blake3_follows_the_published_vectors(tmp_path: Path, length: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(index % 251 for index in range(length)))
    assert _core.blake3_file(str(path)) == f"blake3:{BLAKE3[length]}"


def test_errors_say_what_and_where(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with pytest.raises(errors.FileError) as missing:
        _core.sha256_file(tmp_path / "none")
    assert str(tmp_path / "none") in str(missing.value)
    for start, length in [(11, None), (5, 6), (0, 2**64 - 1)]:
        with pytest.raises(errors.InvalidArgument, match="not inside the file"):
            _core.blake3_file(path, None, start, length)
    with pytest.raises(errors.InvalidArgument, match="not a regular file"):
        _core.sha256_file(tmp_path)
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(errors.InvalidArgument, match="not a regular file"):
        _core.sha256_files([path, pipe])


def test_a_cancelled_meter_stops_running_calls(tmp_path: Path) -> None:
    paths = [tmp_path / str(index) for index in range(8)]
    for path in paths:
        path.touch()
        os.truncate(path, 1 << 40)
    meter = _core.Meter()
    timer = threading.Timer(0.05, meter.cancel)
    timer.start()
    with pytest.raises(errors.Cancelled):
        _core.sha256_files(paths, meter)
    timer.join()
    with pytest.raises(errors.Cancelled):
        _core.sha256_file(paths[0], meter)
    assert meter.done < 1 << 40


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_hashes_with_threads_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    assert _core.sha256_files([path]) == [sha256(b"before")]
    child = os.fork()
    if child == 0:
        right = _core.sha256_files([path, path]) == [sha256(b"before")] * 2
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
