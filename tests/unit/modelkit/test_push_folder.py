"""Pushing a folder: pack's digests, no copy, and no byte that changed on the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.folders import awkward, shards, tree
from tests.support.registries import Running, plain_registry

from kitfast import _core, aio, errors
from kitfast.progress import Progress
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize(
    "options", [{}, {"layer_format": "raw"}, {"use_model_pack": True}], ids=["tar", "raw", "pack"]
)
@pytest.mark.parametrize("make", [awkward, lambda folder: shards(folder, 3, 3 << 20)])
async def test_the_digests_are_those_of_pack_and_push(
    make: Callable[[Path], Path],
    options: dict[str, object],
    tmp_path: Path,
    home: Path,
    plain_registry: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    folder = make(tmp_path / "folder")
    if options.get("use_model_pack"):
        # A layer for each file: the two thousand small ones prove nothing more here.
        for path in (folder / "many").glob("[1-9]*/*") if (folder / "many").is_dir() else ():
            path.unlink()
    before = tree(folder)
    target = f"{plain_registry.host}/folder/{tmp_path.name}:v1,v2"
    pushed = await aio.push(folder, target, home=home, network=PLAIN, **options)
    assert not home.exists()
    assert tree(folder) == before
    packed = await aio.pack(folder, home=tmp_path / "other", **options)
    assert (pushed.digest, pushed.size) == (packed.digest, packed.size)
    assert pushed.references[1].endswith(":v2")
    events: list[Progress] = []
    again = await aio.push(
        folder, target, home=home, network=PLAIN, progress=events.append, **options
    )
    ends = [event for event in events if event.step == "upload" and event.finished]
    assert ends
    assert all(event.reused == event.done == event.total for event in ends)
    assert (again.sent, again.digest) == (0, packed.digest)
    out = tmp_path / "out"
    got = await aio.unpack(pushed.references[1], out, remote=True, home=home, network=PLAIN)
    assert got.digest == pushed.digest
    assert {name for name, what in tree(out).items() if not what.endswith("folder")} <= set(before)


async def test_a_file_that_changes_after_it_was_hashed_is_an_error(
    tmp_path: Path, home: Path, plain_registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shards(tmp_path / "folder", 1, 1 << 20)
    file = folder / "shards" / "model-00000.safetensors"
    hashed = _core.hash_layers

    def then_change(layers: list[_core.LayerSource], meter: _core.Meter) -> list[object]:
        done = hashed(layers, meter)
        status = file.stat()
        file.write_bytes(b"X" * status.st_size)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        return list(done)

    monkeypatch.setattr(_core, "hash_layers", then_change)
    target = f"{plain_registry.host}/changing/kit:v1"
    with pytest.raises(errors.SourceChanged):
        await aio.push(folder, target, home=home, network=PLAIN)
    with pytest.raises(errors.NotInRegistry):
        await aio.inspect(target, remote=True, home=home, network=PLAIN)


async def test_a_name_of_the_store_is_never_taken_for_a_folder(
    tmp_path: Path, home: Path, plain_registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shards(tmp_path / "model", 1, 1000)
    target = f"{plain_registry.host}/names/model:v1"
    first = await aio.push("model", target, home=home, network=PLAIN)
    kit = await aio.pack(shards(tmp_path / "other", 2, 1000), tags=["model"], home=home)
    assert (await aio.push("model", target, home=home, network=PLAIN)).digest == kit.digest
    for folder in ("./model", "model/", str(tmp_path / "model")):
        assert (await aio.push(folder, target, home=home, network=PLAIN)).layers == 2
    named = await aio.push("model", target, kitfile="model/Kitfile", home=home, network=PLAIN)
    # The store's kit has one shard more in its model layer.
    assert named.size == first.size < kit.size


async def test_what_a_folder_cannot_be_pushed_with_says_what_to_do(
    tmp_path: Path, home: Path
) -> None:
    folder = shards(tmp_path / "folder", 1, 10)
    with pytest.raises(errors.InvalidArgument) as refused:
        await aio.push(folder, "r.example/a:v1", compression="gzip", home=home)
    assert "kitfast pack" in str(refused.value.hint)
    with pytest.raises(errors.InvalidArgument, match="where to push"):
        await aio.push(folder, home=home)
    with pytest.raises(errors.InvalidArgument, match="not with a digest"):
        await aio.push(folder, "r.example/a@sha256:" + "0" * 64, home=home)
    with pytest.raises(errors.NotFound, match="no such folder"):
        await aio.push("./nothing-here", "r.example/a:v1", home=home)
