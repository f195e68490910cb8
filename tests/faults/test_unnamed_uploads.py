"""Blobs that get their digest on the way: whatever breaks, it is the right one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, nth
from tests.support.memory import random_blob
from tests.support.pulls import BLOB, PART, ahead, layer_of, push_unnamed, small_parts

from kitfast import _core
from kitfast.errors import RegistryError, SourceChanged
from kitfast.transfer.limits import Limits


@pytest.fixture
def departure(tmp_path: Path) -> _core.Departure:
    """The blob in a file."""
    return _core.Departure(layer_of(tmp_path / "blob"))


@pytest.fixture(params=["socket", "slices"])
def limits(request: pytest.FixtureRequest) -> Limits:
    """A rate, however high, is kept slice by slice; without one the core sends."""
    return small_parts(max_rate=None if request.param == "socket" else 1 << 40)


def holds(sink: FaultyRegistry) -> bool:
    return sink.blobs.get(BLOB.digest) == BLOB.data


async def test_a_healthy_registry_is_asked_nothing(
    departure: _core.Departure, limits: Limits
) -> None:
    with FaultyRegistry() as sink:
        done = await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)
    assert (done.how, done.sent, departure.digest) == ("sent", BLOB.size, BLOB.digest)
    assert [seen.kind for seen in sink.seen] == ["post", *["patch"] * 5, "put"]


async def test_a_chunk_that_breaks_goes_on_and_is_hashed_once(
    departure: _core.Departure, limits: Limits
) -> None:
    broken = nth("patch", {1: Fault(keep=100_000, cut_at=0), 3: Fault(keep=1, cut_at=0)})
    with FaultyRegistry(script=broken) as sink:
        await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)
    assert len(sink.of("post")) == 1
    assert sink.of("patch")[2].headers["Content-Range"].startswith(f"{2 * PART + 100_000}-")


@pytest.mark.parametrize(("kind", "number"), [("patch", 0), ("patch", 3), ("put", 0)])
async def test_a_lost_session_begins_again(
    departure: _core.Departure, limits: Limits, kind: str, number: int
) -> None:
    with FaultyRegistry(script=nth(kind, {number: Fault(status=404)})) as sink:
        await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)
    assert len(sink.of("post")) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_in_the_middle_of_a_body_is_waited_out(
    departure: _core.Departure, limits: Limits, status: int
) -> None:
    with FaultyRegistry(script=nth("patch", {2: Fault(status=status)})) as sink:
        await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)


async def test_a_registry_further_than_we_ever_were_gets_a_new_upload(
    departure: _core.Departure, limits: Limits
) -> None:
    with FaultyRegistry(script=ahead(lambda: sink, 1, 5 * PART)) as sink:
        await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)
    assert len(sink.of("post")) == 2


async def test_a_patch_answered_201_is_hashed_and_goes_in_one_put(
    departure: _core.Departure, limits: Limits
) -> None:
    with FaultyRegistry(script=nth("patch", {0: Fault(status=201)})) as sink:
        await push_unnamed(sink, departure, limits=limits)
        assert holds(sink)
    assert sink.of("put")[0].headers["Content-Length"] == str(BLOB.size)


@pytest.mark.parametrize("there", [False, True])
async def test_a_registry_without_chunks_is_asked_once_the_digest_is_known(
    departure: _core.Departure, there: bool
) -> None:
    with FaultyRegistry(*([BLOB] if there else [])) as sink:
        done = await push_unnamed(
            sink, departure, knows=lambda limits: limits.lacks_chunks(sink.host)
        )
        assert holds(sink) and not sink.of("patch")
        assert (done.how, done.sent) == (("present", 0) if there else ("sent", BLOB.size))
    assert [seen.kind for seen in sink.seen] == ["post", "head", "delete" if there else "put"]


async def test_a_small_blob_is_hashed_first_and_asked_for(tmp_path: Path) -> None:
    small = random_blob(1000)
    with FaultyRegistry(small) as sink:
        departure = _core.Departure(layer_of(tmp_path / "small", small))
        assert (await push_unnamed(sink, departure)).how == "present"
    assert [seen.kind for seen in sink.seen] == ["head"]


async def test_a_file_that_changes_is_told_and_the_upload_forgotten(
    departure: _core.Departure, limits: Limits, tmp_path: Path
) -> None:
    def script(seen: Seen) -> Fault | None:
        if (seen.kind, seen.number) == ("patch", 2):
            with (tmp_path / "blob").open("r+b") as file:
                file.write(b"changed")
        return None

    with FaultyRegistry(script=script) as sink:
        with pytest.raises(SourceChanged, match="blob"):
            await push_unnamed(sink, departure, limits=limits)
        assert not sink.blobs and not sink.sessions
    assert len(sink.of("delete")) == 1
    assert departure.digest is None


async def test_a_refusal_is_final(departure: _core.Departure, limits: Limits) -> None:
    with (
        FaultyRegistry(script=nth("patch", {1: Fault(status=413)})) as sink,
        pytest.raises(RegistryError) as caught,
    ):
        await push_unnamed(sink, departure, limits=limits)
    assert caught.value.status == 413 and len(sink.of("patch")) == 2
