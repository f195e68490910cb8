"""Blobs compressed on their way: whatever breaks, they are what pack makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, nth
from tests.support.memory import MemoryBlob, MemoryUploads, random_blob
from tests.support.pulls import BLOB, PART, ahead, layer_of, push_squeezed, small_parts

from kitfast import _core
from kitfast.errors import InvalidArgument, RegistryError, SourceChanged
from kitfast.transfer.limits import Limits
from kitfast.transfer.upload_squeezed import upload_squeezed

PIECE = 2 * PART


@pytest.fixture(params=["gzip", "zstd"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> _core.LayerSource:
    """The blob in a file that is to be compressed; it becomes no smaller: five pieces."""
    layer_of(tmp_path / "blob")
    return _core.LayerSource([("blob", tmp_path / "blob", 0o644)], str(request.param))


@pytest.fixture
def packed(source: _core.LayerSource, tmp_path: Path) -> MemoryBlob:
    """What pack makes of it."""
    store = _core.Store(tmp_path / "store")
    blob = store.blob(store.pack([source])[0].digest)
    return MemoryBlob(blob.read(0, blob.size))


@pytest.fixture
def squeeze(source: _core.LayerSource) -> _core.Squeeze:
    return _core.Squeeze(source, PIECE)


def holds(sink: FaultyRegistry, packed: MemoryBlob) -> bool:
    return sink.blobs.get(packed.digest) == packed.data


@pytest.mark.parametrize("limits", [small_parts(), small_parts(max_rate=1 << 40)])
async def test_a_healthy_registry_is_asked_nothing(
    squeeze: _core.Squeeze, packed: MemoryBlob, limits: Limits
) -> None:
    counts: list[int] = []
    with FaultyRegistry() as sink:
        done = await push_squeezed(sink, squeeze, limits=limits, on_bytes=counts.append)
        assert holds(sink, packed)
    assert (done.how, done.sent, squeeze.digest) == ("sent", packed.size, packed.digest)
    assert [seen.kind for seen in sink.seen] == ["post", *["patch"] * 5, "put"]
    # The file's bytes, not those of the layer.
    assert sum(counts) == BLOB.size and min(counts) > 0


async def test_a_chunk_that_breaks_goes_on_from_memory(
    squeeze: _core.Squeeze, packed: MemoryBlob
) -> None:
    broken = nth("patch", {1: Fault(keep=100_000, cut_at=0), 3: Fault(keep=1, cut_at=0)})
    with FaultyRegistry(script=broken) as sink:
        counts: list[int] = []
        await push_squeezed(sink, squeeze, on_bytes=counts.append)
        assert holds(sink, packed)
    assert len(sink.of("post")) == 1 and sum(counts) == BLOB.size
    ranges = [seen.headers["Content-Range"] for seen in sink.of("patch")]
    assert ranges[2] == f"{PIECE + 100_000}-{2 * PIECE - 1}"
    assert ranges[4] == f"{2 * PIECE + 1}-{3 * PIECE - 1}"


@pytest.mark.parametrize(("kind", "number"), [("patch", 0), ("patch", 3), ("put", 0)])
async def test_a_lost_session_begins_again(
    squeeze: _core.Squeeze, packed: MemoryBlob, kind: str, number: int
) -> None:
    counts: list[int] = []
    with FaultyRegistry(script=nth(kind, {number: Fault(status=404)})) as sink:
        await push_squeezed(sink, squeeze, on_bytes=counts.append)
        assert holds(sink, packed)
    assert len(sink.of("post")) == 2 and sum(counts) == BLOB.size


@pytest.mark.parametrize("held", [0, 10, PIECE + 7, PIECE])
async def test_a_registry_that_forgot_what_is_no_longer_in_memory_gets_it(
    squeeze: _core.Squeeze, packed: MemoryBlob, held: int
) -> None:
    def script(seen: Seen) -> Fault | None:
        if (seen.kind, seen.number) != ("patch", 3):
            return None
        for session in sink.sessions.values():
            del session.held[held:]
        return Fault(cut_at=0)

    with FaultyRegistry(script=script) as sink:
        await push_squeezed(sink, squeeze)
        assert holds(sink, packed)
    assert len(sink.of("post")) == 1
    assert sink.of("patch")[4].headers["Content-Range"].startswith(f"{held}-")


async def test_a_registry_further_than_we_ever_were_gets_a_new_upload(
    squeeze: _core.Squeeze, packed: MemoryBlob
) -> None:
    with FaultyRegistry(script=ahead(lambda: sink, 1, 5 * PART)) as sink:
        await push_squeezed(sink, squeeze)
        assert holds(sink, packed)
    assert len(sink.of("post")) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_in_the_middle_is_waited_out(
    squeeze: _core.Squeeze, packed: MemoryBlob, status: int
) -> None:
    with FaultyRegistry(script=nth("patch", {2: Fault(status=status)})) as sink:
        await push_squeezed(sink, squeeze)
        assert holds(sink, packed)


async def test_a_refusal_is_final(squeeze: _core.Squeeze) -> None:
    with (
        FaultyRegistry(script=nth("patch", {1: Fault(status=413)})) as sink,
        pytest.raises(RegistryError) as caught,
    ):
        await push_squeezed(sink, squeeze)
    assert caught.value.status == 413 and len(sink.of("patch")) == 2


@pytest.mark.parametrize("known", [False, True])
async def test_a_registry_without_chunks_is_refused(squeeze: _core.Squeeze, known: bool) -> None:
    """Also where the first PATCH shows it."""
    with FaultyRegistry(script=nth("patch", {0: Fault(status=201)})) as sink:
        with pytest.raises(InvalidArgument, match="no blob in chunks") as caught:
            await push_squeezed(
                sink, squeeze, knows=lambda limits: known and limits.lacks_chunks(sink.host)
            )
        assert "kitfast pack" in str(caught.value.hint)
        assert not sink.blobs and not sink.sessions
    assert len(sink.of("patch")) == (not known)


async def test_a_registry_that_wants_larger_chunks_is_refused(squeeze: _core.Squeeze) -> None:
    sink = MemoryUploads(min_chunk=PIECE + 1)
    with pytest.raises(InvalidArgument, match=f"wants chunks of {PIECE + 1} bytes"):
        await upload_squeezed(sink, "r", squeeze, label="layer", limits=small_parts())
    assert (sink.calls, sink.cancelled) == (["start", "cancel"], 1)


@pytest.mark.parametrize("there", [False, True])
async def test_a_single_piece_is_asked_for_and_goes_in_one_put(tmp_path: Path, there: bool) -> None:
    layer_of(tmp_path / "small", random_blob(1000))
    source = _core.LayerSource([("small", tmp_path / "small", 0o644)], "zstd")
    store = _core.Store(tmp_path / "store")
    blob = store.blob(store.pack([source])[0].digest)
    small = MemoryBlob(blob.read(0, blob.size))
    with FaultyRegistry(*([small] if there else [])) as sink:
        done = await push_squeezed(
            sink,
            _core.Squeeze(source, PIECE),
            knows=lambda limits: limits.lacks_chunks(sink.host),
        )
        assert holds(sink, small)
    assert done.how == ("present" if there else "sent")
    assert [seen.kind for seen in sink.seen] == ["head", *([] if there else ["post", "put"])]


async def test_a_file_that_changes_is_told_and_the_upload_forgotten(
    tmp_path: Path,
) -> None:
    layer_of(tmp_path / "blob", random_blob(32 << 20))
    source = _core.LayerSource([("blob", tmp_path / "blob", 0o644)], "zstd")

    def script(seen: Seen) -> Fault | None:
        if (seen.kind, seen.number) == ("patch", 2):
            with (tmp_path / "blob").open("r+b") as file:
                file.write(b"changed")
        return None

    squeeze = _core.Squeeze(source, PIECE)
    with FaultyRegistry(script=script) as sink:
        with pytest.raises(SourceChanged, match="blob"):
            await push_squeezed(sink, squeeze)
        assert not sink.blobs and not sink.sessions
    assert len(sink.of("delete")) == 1
    assert squeeze.digest is None
