"""Packing: same bytes whatever the way, nothing half-made, changes noticed."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import time
from pathlib import Path

import pytest

from kitfast import errors
from kitfast._core import Blob, LayerSource, Meter, Store

MIB = 1 << 20
LONG_AGO = 1_600_000_000


def file_layer(path: Path, compression: str = "none", raw: bool = False) -> LayerSource:
    return LayerSource([(path.name, str(path), 0o644)], compression, raw)


def write(path: Path, size: int, seed: int = 0) -> Path:
    """A file of bytes that do not repeat within a megabyte."""
    block = hashlib.shake_256(str(seed).encode()).digest(min(size, MIB))
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(block[: size - at])
    return path


def settle(*paths: Path) -> None:
    """Waits until the files are old enough for the cache to believe their times."""
    newest = max(path.stat().st_ctime for path in paths)
    time.sleep(max(0.0, newest + 2.05 - time.time()))


def leftovers(home: Path) -> list[Path]:
    """Temporary files anywhere in a store."""
    return [path for path in home.rglob("*") if path.name.startswith(".tmp-")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_many_layers_of_every_size(tmp_path: Path, home: Path) -> None:
    sizes = [0, 1, 511, 32 << 10, MIB - 1, MIB, MIB + 1, 9 * MIB + 7, 3 * MIB] + [5_000] * 40
    paths = [write(tmp_path / f"f{i}", size, i) for i, size in enumerate(sizes)]
    store = Store(home)
    meter = Meter()
    packed = store.pack([file_layer(path) for path in paths], meter)
    assert meter.done == meter.total == sum(sizes)
    for path, layer in zip(paths, packed, strict=True):
        with tarfile.open(fileobj=io.BytesIO(whole(store.blob(layer.digest)))) as tar:
            body = tar.extractfile(path.name)
            assert body is not None
            assert body.read() == path.read_bytes()
    assert store.verify_all(store.digests()) == []
    assert sorted(store.digests()) == sorted({layer.digest for layer in packed})


def whole(blob: Blob) -> bytes:
    return blob.read(0, blob.size)


def test_one_layer_on_two_threads_has_the_digest_of_its_bytes(tmp_path: Path, home: Path) -> None:
    source = file_layer(write(tmp_path / "w", 23 * MIB + 5))
    layer = Store(home).pack([source])[0]
    data = whole(Blob.of_source(source))
    assert layer.digest == layer.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()


def test_raw_is_the_file_and_shares_its_content_with_the_tar(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "w", 3 * MIB)
    store = Store(home)
    raw, tar = store.pack([file_layer(path, raw=True), file_layer(path)])
    assert raw.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert raw.digest != tar.digest
    contents = [file for file in (home / "contents").rglob("*") if file.is_file()]
    assert len(contents) == 1


@pytest.mark.parametrize("compression", ["gzip", "gzip-fastest", "zstd"])
def test_compressed_bytes_do_not_depend_on_the_threads(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = file_layer(write(tmp_path / "w", 5 * MIB + 3), compression)
    many = Store(tmp_path / "many").pack([source])[0]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        one = Store(tmp_path / "one").pack([source])[0]
    finally:
        os.sched_setaffinity(0, cores)
    assert (one.digest, one.diff_id, one.size) == (many.digest, many.diff_id, many.size)


def test_compressed_layers_side_by_side_are_what_each_is_alone(tmp_path: Path, home: Path) -> None:
    sizes = [7 * MIB, 3 * MIB + 1, *(10_000 * number for number in range(40)), 2 * MIB]
    sources = [
        file_layer(write(tmp_path / f"w{number}", size, number), "zstd" if number % 2 else "gzip")
        for number, size in enumerate(sizes)
    ]
    meter = Meter()
    together = Store(home).pack(sources, meter=meter)
    assert meter.done == sum(sizes)
    alone = [Store(tmp_path / "alone").pack([source])[0] for source in sources]
    assert [(one.digest, one.diff_id, one.size) for one in together] == [
        (one.digest, one.diff_id, one.size) for one in alone
    ]
    for one in together:
        Store(home).verify(one.digest)
    assert not leftovers(home)


def test_two_thousand_small_files_take_no_files_of_their_own(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    members: list[tuple[str, str | None, int]] = []
    for n in range(2_000):
        path = folder / f"{n:04}.json"
        path.write_text(f"{{{n}}}" * (n % 50))
        members.append((path.name, str(path), 0o644))
    store = Store(home)
    layer = store.pack([LayerSource(members)])[0]
    assert not [file for file in (home / "contents").rglob("*") if file.is_file()]
    with tarfile.open(fileobj=io.BytesIO(whole(store.blob(layer.digest)))) as tar:
        assert len(tar.getnames()) == 2_000


class _File(io.RawIOBase):
    """A blob as a seekable file for tarfile."""

    def __init__(self, blob: Blob) -> None:
        self.blob, self.at = blob, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (self.at if whence == 1 else self.blob.size if whence == 2 else 0)
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int = -1) -> bytes:
        length = min(size, max(0, self.blob.size - self.at))
        data = self.blob.read(self.at, length) if length else b""
        self.at += length
        return data


def test_files_over_8_gib_have_their_size_in_a_record(tmp_path: Path) -> None:
    path = tmp_path / "w"
    for size in (8 * 1024 * MIB - 1, 8 * 1024 * MIB, 11 * 1024 * MIB + 1):
        with path.open("wb") as file:
            file.truncate(size)
        blob = Blob.of_source(file_layer(path))
        with tarfile.open(fileobj=_File(blob)) as tar:  # type: ignore[call-overload]
            member = tar.next()
            assert member.size == size
            assert ("size" in member.pax_headers) == (size >= 8 * 1024 * MIB)
            assert tar.next() is None


def test_unchanged_files_are_not_read_again(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "w", 2 * MIB)
    os.utime(path, (LONG_AGO, LONG_AGO))
    settle(path)
    store = Store(home)
    first = store.pack([file_layer(path)])[0]
    meter = Meter()
    again = store.pack([file_layer(path)], meter)[0]
    assert (first.reused, again.reused) == (False, True)
    assert (again.digest, again.diff_id, again.size) == (first.digest, first.diff_id, first.size)
    assert meter.done == meter.total == 2 * MIB
    assert not store.pack([file_layer(path)], cache=False)[0].reused
    assert not store.pack([file_layer(path, "gzip")])[0].reused
    renamed = LayerSource([("other", str(path), 0o644)])
    assert not store.pack([renamed])[0].reused
    os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    assert not store.pack([file_layer(path)])[0].reused


def test_a_reused_layer_must_still_be_there(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "w", 2 * MIB)
    settle(path)
    store = Store(home)
    layer = store.pack([file_layer(path)])[0]
    assert store.pack([file_layer(path)])[0].reused
    for file in (home / "contents").rglob("*"):
        if file.is_file():
            file.unlink()
    again = store.pack([file_layer(path)])[0]
    assert not again.reused
    store.verify(layer.digest)


def test_fresh_files_are_always_read(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "w", MIB)
    store = Store(home)
    store.pack([file_layer(path)])
    path.write_bytes(bytes(MIB))
    os.utime(path, (LONG_AGO, LONG_AGO))
    layer = store.pack([file_layer(path)])[0]
    assert not layer.reused
    assert whole(store.blob(layer.digest))[512 : 512 + MIB] == bytes(MIB)


def test_a_file_that_changes_meanwhile_fails_the_pack(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "w", 64 * MIB)
    store = Store(home)
    meter = Meter()
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            if meter.done > MIB:
                with path.open("r+b") as file:
                    file.seek(63 * MIB)
                    file.write(b"x")
            time.sleep(0.0005)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        with pytest.raises(errors.SourceChanged):
            store.pack([file_layer(path)], meter)
    finally:
        stop.set()
        thread.join()
    assert store.digests() == []
    assert leftovers(home) == []


def test_a_virtual_blob_notices_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "w", MIB)
    blob = Blob.of_source(file_layer(path))
    assert len(blob.read(0, 100_000)) == 100_000
    path.write_bytes(bytes(MIB))
    with pytest.raises(errors.SourceChanged):
        blob.read(1000, 1000)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_cancelled_pack_ends_within_a_second(
    tmp_path: Path, home: Path, compression: str
) -> None:
    path = tmp_path / "w"
    with path.open("wb") as file:
        file.truncate(20 * 1024 * MIB)
    store = Store(home)
    meter = Meter()
    cancelled_at = 0.0

    def cancel() -> None:
        nonlocal cancelled_at
        while meter.done < 8 * MIB:
            time.sleep(0.001)
        cancelled_at = time.monotonic()
        meter.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(errors.Cancelled):
        store.pack([file_layer(path, compression)], meter)
    thread.join()
    assert time.monotonic() - cancelled_at < 5
    assert store.digests() == []
    assert leftovers(home) == []


def test_one_bad_layer_fails_all_and_leaves_nothing_half_made(tmp_path: Path, home: Path) -> None:
    layers = [file_layer(write(tmp_path / f"f{i}", 100_000, i)) for i in range(30)]
    bad = tmp_path / "bad"
    bad.write_bytes(b"x")
    layers.insert(17, LayerSource([("nul\0name", str(bad), 0o644)]))
    store = Store(home)
    with pytest.raises((errors.InvalidArgument, ValueError)):
        store.pack(layers)
    assert store.verify_all(store.digests()) == []
    assert leftovers(home) == []


def test_sources_must_be_files_that_are_there(tmp_path: Path, home: Path) -> None:
    store = Store(home)
    with pytest.raises(errors.FileError):
        store.pack([file_layer(tmp_path / "nothing")])
    with pytest.raises(errors.InvalidArgument):
        store.pack([file_layer(tmp_path)])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(errors.InvalidArgument):
        store.pack([file_layer(pipe)])
    with pytest.raises(errors.InvalidArgument):
        LayerSource([], "lzma")
    with pytest.raises(errors.InvalidArgument):
        store.pack([LayerSource([], raw=True)])


def test_reads_outside_a_blob_are_refused(home: Path) -> None:
    store = Store(home)
    blob = store.blob(store.put(b"12345"))
    assert blob.read(5, 0) == b""
    assert blob.read(1, 3) == b"234"
    for offset, length in [(0, 6), (5, 1), (6, 0), (2**64 - 1, 2), (0, 2**62)]:
        with pytest.raises(errors.InvalidArgument):
            blob.read(offset, length)
