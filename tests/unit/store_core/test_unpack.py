"""What was packed unpacks to the same bytes, and damaged blobs to nothing at all."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from kitfast import errors
from kitfast._core import LayerSource, Meter, PackedLayer, Store, Target

FILES = {
    "model/config.json": b"{}",
    "model/weights.bin": os.urandom(300_001),
    "model/edge.bin": os.urandom(32 << 10),
    "model/below.bin": os.urandom((32 << 10) - 1),
    "empty": b"",
}


def lay_out(folder: Path) -> list[tuple[str, str | None, int]]:
    """Writes the files and answers them as members of a tar."""
    members: list[tuple[str, str | None, int]] = [("model", None, 0o755)]
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        members.append((name, str(path), 0o755 if name == "empty" else 0o640))
    return members


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def shape(compression: str, raw: bool = False) -> str:
    base = "whole" if raw else "tar"
    suffix = {"none": "", "gzip": "+gzip", "gzip-fastest": "+gzip", "zstd": "+zstd"}
    return base + suffix[compression]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def packed(store: Store, tmp_path: Path) -> PackedLayer:
    return store.pack([LayerSource(lay_out(tmp_path / "src"))])[0]


def big_content(tmp_path: Path) -> Path:
    """The stored file of the largest content."""
    contents = (path for path in (tmp_path / "home/contents").rglob("*") if path.is_file())
    return max(contents, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("compression", ["none", "gzip", "gzip-fastest", "zstd"])
def test_a_tar_comes_back(store: Store, tmp_path: Path, compression: str) -> None:
    layer = store.pack([LayerSource(lay_out(tmp_path / "src"), compression)])[0]
    target = Target(str(tmp_path / "out"))
    meter = Meter()
    store.unpack(layer.digest, shape(compression), target, meter=meter)
    target.finish()
    assert tree(tmp_path / "out") == FILES
    assert target.files == len(FILES)
    assert meter.done == meter.total == sum(map(len, FILES.values()))
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "out/empty").stat().st_mode & 0o777 == 0o755 & ~umask
    assert (tmp_path / "out/model/config.json").stat().st_mode & 0o777 == 0o640 & ~umask
    store.verify(layer.digest)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_a_raw_layer_comes_back(store: Store, tmp_path: Path, compression: str, size: int) -> None:
    source = tmp_path / "w"
    source.write_bytes(os.urandom(size))
    layer = store.pack([LayerSource([("w", str(source), 0o644)], compression, raw=True)])[0]
    target = Target(str(tmp_path / "out"))
    store.unpack(layer.digest, shape(compression, raw=True), target, "a/b.bin")
    target.finish()
    assert tree(tmp_path / "out") == {"a/b.bin": source.read_bytes()}


def test_links_are_the_contents_themselves(
    store: Store, packed: PackedLayer, tmp_path: Path
) -> None:
    target = Target(str(tmp_path / "out"))
    store.unpack(packed.digest, "tar", target, link=True)
    target.finish()
    linked = (tmp_path / "out/model/weights.bin").stat()
    assert linked.st_ino == big_content(tmp_path).stat().st_ino
    assert linked.st_mode & 0o777 == 0o444
    assert tree(tmp_path / "out") == FILES
    store.verify(packed.digest)


def damage(path: Path, how: str) -> None:
    path.chmod(0o644)
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[:-1])
    elif how == "foreign":
        path.write_bytes(bytes(len(data)))
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["truncated", "foreign", "missing"])
def test_a_damaged_content_publishes_nothing(
    store: Store, packed: PackedLayer, tmp_path: Path, how: str
) -> None:
    damage(big_content(tmp_path), how)
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.Corrupt):
        store.unpack(packed.digest, "tar", target)
    target.finish()
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(errors.Corrupt):
        store.verify(packed.digest)
    assert store.size(packed.digest) is None
    assert [digest for digest, _ in store.verify_all([packed.digest])] == [packed.digest]
    repaired = store.pack([LayerSource(lay_out(tmp_path / "src"))], cache=False)[0]
    assert repaired.digest == packed.digest
    store.verify(packed.digest)


def test_a_damaged_recipe_publishes_nothing(
    store: Store, packed: PackedLayer, tmp_path: Path
) -> None:
    recipe = tmp_path / "home/recipes/sha256" / packed.digest.removeprefix("sha256:")
    data = bytearray(recipe.read_bytes())
    data[data.index(b"{}")] ^= 1
    recipe.write_bytes(bytes(data))
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.Corrupt):
        store.unpack(packed.digest, "tar", target)
    with pytest.raises(errors.Corrupt):
        store.blob(packed.digest).read(0, 1024)
    assert store.size(packed.digest) is None


def rot(path: Path) -> None:
    """Changes a byte as a failing disk does: no time tells of it."""
    before = path.stat()
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("piece", ["content", "recipe"])
def test_what_verify_found_damaged_is_packed_anew(
    store: Store, packed: PackedLayer, tmp_path: Path, piece: str
) -> None:
    recipe = tmp_path / "home/recipes/sha256" / packed.digest.removeprefix("sha256:")
    if piece == "content":
        rot(big_content(tmp_path))
    else:
        data = recipe.read_bytes()
        recipe.write_bytes(data.replace(b"{}", b"()", 1))
    for _ in range(2):
        assert [digest for digest, _ in store.verify_all([packed.digest])] == [packed.digest]
    assert store.size(packed.digest) is None
    again = store.pack([LayerSource(lay_out(tmp_path / "src"))])[0]
    assert again.digest == packed.digest
    assert store.size(packed.digest) == packed.size
    store.verify(packed.digest)


def test_a_file_changed_through_a_link_stays_as_it_was_changed(
    store: Store, packed: PackedLayer, tmp_path: Path
) -> None:
    target = Target(str(tmp_path / "out"))
    store.unpack(packed.digest, "tar", target, link=True)
    target.finish()
    linked = tmp_path / "out/model/weights.bin"
    linked.chmod(0o644)
    with linked.open("r+b") as file:
        file.write(b"mine")
    os.utime(linked, (1_700_000_000, 1_700_000_000))
    with pytest.raises(errors.Corrupt):
        store.verify(packed.digest)
    assert linked.stat().st_mtime == 1_700_000_000
    assert linked.read_bytes()[:4] == b"mine"
    assert store.size(packed.digest) is None


def test_existing_files(store: Store, packed: PackedLayer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "empty").write_bytes(b"mine")
    with pytest.raises(errors.AlreadyExists):
        store.unpack(packed.digest, "tar", Target(str(out)))
    assert tree(out) == {"empty": b"mine"}
    keeping = Target(str(out), "keep")
    store.unpack(packed.digest, "tar", keeping)
    keeping.finish()
    assert tree(out) == FILES | {"empty": b"mine"}
    assert keeping.kept == 1
    replacing = Target(str(out), "overwrite")
    store.unpack(packed.digest, "tar", replacing)
    replacing.finish()
    assert tree(out) == FILES


def hostile(*names: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd"
            tar.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize(
    "blob",
    [
        hostile("ok", "../evil"),
        hostile("ok", "/evil"),
        hostile("ok", "ok"),
        hostile("ok", "ok/evil"),
        hostile("evil", kind=tarfile.SYMTYPE),
    ],
)
def test_hostile_tars_publish_nothing(store: Store, tmp_path: Path, blob: bytes) -> None:
    digest = store.put(blob)
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.UnsafeMember):
        store.unpack(digest, "tar", target)
    target.finish()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("shape", ["tar", "tar+gzip", "tar+zstd", "whole+gzip", "whole+zstd"])
def test_nonsense_is_corrupt(store: Store, tmp_path: Path, shape: str) -> None:
    digest = store.put(b"nonsense" * 1000)
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.Corrupt):
        store.unpack(digest, shape, target, "name")
    target.finish()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cancelled_unpack_publishes_nothing(
    store: Store, packed: PackedLayer, tmp_path: Path
) -> None:
    meter = Meter()
    meter.cancel()
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.Cancelled):
        store.unpack(packed.digest, "tar", target, meter=meter)
    target.finish()
    assert list((tmp_path / "out").iterdir()) == []


def test_arguments_are_checked(store: Store, packed: PackedLayer, tmp_path: Path) -> None:
    target = Target(str(tmp_path / "out"))
    with pytest.raises(errors.InvalidArgument):
        store.unpack(packed.digest, "zip", target)
    with pytest.raises(errors.InvalidArgument):
        store.unpack(packed.digest, "whole", target)
    with pytest.raises(errors.UnsafeMember):
        store.unpack(packed.digest, "whole", target, "../x")
    with pytest.raises(errors.NotFound):
        store.unpack("sha256:" + "0" * 64, "tar", target)
