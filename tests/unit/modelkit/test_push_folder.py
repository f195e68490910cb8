"""Pushing a folder: pack's digests, no copy, and no byte that changed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.faults import FaultyRegistry, Seen
from tests.support.folders import awkward, shards, tree
from tests.support.registries import Running, WithTls, plain_registry, tls_registry

from kitfast import aio, errors
from kitfast.progress import Progress
from kitfast.settings import Network

__all__ = ["plain_registry", "tls_registry"]

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
    assert stored(home) <= {"cache"}
    assert tree(folder) == before
    packed = await aio.pack(folder, home=tmp_path / "other", **options)
    assert (pushed.digest, pushed.size) == (packed.digest, packed.size)
    assert pushed.references[1].endswith(":v2")
    out = tmp_path / "out"
    got = await aio.unpack(pushed.references[1], out, remote=True, home=home, network=PLAIN)
    assert got.digest == pushed.digest
    assert {name for name, what in tree(out).items() if not what.endswith("folder")} <= set(before)


async def test_bytes_are_read_once_and_none_is_written(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 3, 8 << 20)
    size = 24 << 20
    read, written = moved()
    pushed = await aio.push(folder, f"{plain_registry.host}/once/kit:v1", home=home, network=PLAIN)
    read_after, written_after = moved()
    assert pushed.sent == pushed.size > size
    assert size <= read_after - read < size * 1.1
    assert written_after - written < size / 10
    assert stored(home) <= {"cache"}


async def test_what_was_pushed_or_packed_before_is_neither_read_nor_sent(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 3, 8 << 20)
    target = f"{plain_registry.host}/again/kit:v1"
    # Younger files are not remembered: a change to them might not show.
    await asyncio.sleep(2.1)
    first = await aio.push(folder, target, home=home, network=PLAIN)
    assert (first.sent, first.reused) == (first.size, 0)
    read, _ = moved()
    events: list[Progress] = []
    again = await aio.push(folder, target, home=home, network=PLAIN, progress=events.append)
    assert moved()[0] - read < 4 << 20
    assert (again.sent, again.reused, again.digest) == (0, first.size, first.digest)
    ends = [event for event in events if event.step == "upload" and event.finished]
    assert len(ends) == again.layers
    assert all(event.reused == event.done == event.total for event in ends)
    # Elsewhere it is sent, by the digest that is known.
    other = await aio.push(
        folder, f"{plain_registry.host}/elsewhere/kit:v1", home=home, network=PLAIN
    )
    assert (other.sent, other.digest) == (first.size, first.digest)
    fresh = await aio.push(folder, target, home=home, network=PLAIN, cache=False)
    # All but the layer that is small enough to be hashed before it is asked for.
    assert (fresh.sent, fresh.digest) == (first.size - fresh.reused, first.digest)
    assert 0 < fresh.reused < 1 << 20
    packed = await aio.pack(folder, home=tmp_path / "packed")
    known = await aio.push(folder, target, home=tmp_path / "packed", network=PLAIN)
    assert (known.sent, known.digest) == (0, packed.digest)


async def test_over_tls_and_at_a_rate_it_is_the_same(
    tmp_path: Path, home: Path, tls_registry: WithTls, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 3, 5 << 20)
    packed = await aio.pack(folder, home=tmp_path / "packed")
    secure = Network(tls_cert=(str(tls_registry.authority.pair.cert),))
    for host, network in (
        (tls_registry.host, secure),
        (plain_registry.host, Network(plain_http=True, max_rate=200 << 20)),
    ):
        pushed = await aio.push(
            folder, f"{host}/ways/kit:v1", home=home, network=network, cache=False
        )
        assert (pushed.sent, pushed.digest) == (packed.size, packed.digest)


async def test_a_file_that_changes_while_it_is_sent_is_an_error(tmp_path: Path, home: Path) -> None:
    folder = shards(tmp_path / "folder", 2, 32 << 20)
    file = folder / "shards" / "model-00001.safetensors"

    def change(seen: Seen) -> None:
        # The connection holds a few MiB; the rest of the file is not read yet.
        if seen.kind == "patch":
            with file.open("r+b") as opened:
                opened.seek(31 << 20)
                opened.write(b"changed")

    with FaultyRegistry(script=change) as registry:
        target = f"{registry.host}/changing/kit:v1"
        with pytest.raises(errors.SourceChanged, match="model-00001"):
            await aio.push(folder, target, home=home, network=PLAIN)
        assert registry.of("delete") and not registry.manifests
    assert stored(home) <= {"cache"}


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


def stored(home: Path) -> set[str]:
    """The names at the top of a home."""
    return {path.name for path in home.iterdir()} if home.exists() else set()


def moved() -> tuple[int, int]:
    """Bytes this process has read from files and written to them; sockets do not count."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"]), int(fields["wchar"])


async def test_what_a_folder_cannot_be_pushed_with_says_what_to_do(
    tmp_path: Path, home: Path
) -> None:
    folder = shards(tmp_path / "folder", 1, 10)
    with pytest.raises(errors.InvalidArgument, match="raw layers are not compressed"):
        await aio.push(folder, "r.example/a:v1", compression="gzip", layer_format="raw", home=home)
    with pytest.raises(errors.InvalidArgument, match="where to push"):
        await aio.push(folder, home=home)
    with pytest.raises(errors.InvalidArgument, match="not with a digest"):
        await aio.push(folder, "r.example/a@sha256:" + "0" * 64, home=home)
    with pytest.raises(errors.NotFound, match="no such folder"):
        await aio.push("./nothing-here", "r.example/a:v1", home=home)
    with pytest.raises(errors.NotFound, match="no such folder"):
        await aio.push("./nothing-here", home=home)
    with pytest.raises(errors.NotFound, match="is not a folder"):
        await aio.push(folder / "Kitfile", "r.example/a:v1", home=home)
    # As an unset variable makes it: not the folder one happens to be in.
    with pytest.raises(errors.InvalidReference, match="is empty"):
        await aio.push("", "r.example/a:v1", home=home)


@pytest.mark.parametrize("compression", ["none", "gzip-fastest"])
async def test_a_home_that_takes_nothing_is_a_warning(
    tmp_path: Path, home: Path, plain_registry: Running, compression: str
) -> None:
    folder = shards(tmp_path / "folder", 2, 1 << 20)
    home.mkdir()
    (home / "cache").write_text("in the way")
    # Younger files are not remembered.
    await asyncio.sleep(2.1)
    pushed = await aio.push(
        folder,
        f"{plain_registry.host}/forgetful/{compression}:v1",
        compression=compression,
        home=home,
        network=PLAIN,
    )
    assert pushed.sent == pushed.size
    (warning,) = pushed.warnings
    assert "reads the files again" in warning and str(home / "cache") in warning
