"""Uploads that break, get lost, lose their bytes or meet a busy registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, nth
from tests.support.pulls import BLOB, PART, QUICK, layer_of, push, small_parts

from kitfast import _core
from kitfast.errors import ConnectionFailed, RegistryError
from kitfast.transfer import upload as upload_module
from kitfast.transfer.ends import Content


@pytest.fixture(params=["slices", "socket"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    """The blob, handed out in slices or written to the socket by the core."""
    return BLOB if request.param == "slices" else _core.Blob.of_source(layer_of(tmp_path / "b"))


def holds(sink: FaultyRegistry) -> bool:
    return sink.blobs.get(BLOB.digest) == BLOB.data


async def test_a_healthy_registry_gets_chunks_and_an_empty_put(content: Content) -> None:
    with FaultyRegistry() as sink:
        done = await push(sink, content=content)
        assert holds(sink) and done.how == "sent"
    assert len(sink.of("patch")) == 5 and len(sink.of("put")) == 1
    assert sink.of("put")[0].headers["Content-Length"] == "0"
    ranges = [seen.headers["Content-Range"] for seen in sink.of("patch")]
    assert ranges[:2] == [f"0-{2 * PART - 1}", f"{2 * PART}-{4 * PART - 1}"]


async def test_a_blob_that_is_there_is_not_sent(content: Content) -> None:
    with FaultyRegistry(BLOB) as sink:
        assert (await push(sink, content=content)).how == "present"
    assert [seen.kind for seen in sink.seen] == ["head"]


async def test_a_chunk_that_breaks_goes_on_where_the_registry_is(content: Content) -> None:
    broken = nth("patch", {1: Fault(keep=100_000, cut_at=0)})
    with FaultyRegistry(script=broken) as sink:
        await push(sink, content=content)
        assert holds(sink)
    assert len(sink.of("post")) == 1 and len(sink.of("status")) == 1
    assert sink.of("patch")[2].headers["Content-Range"].startswith(f"{2 * PART + 100_000}-")


@pytest.mark.parametrize("kind", ["patch", "put"])
async def test_a_lost_session_begins_again_with_fewer_side_by_side(
    kind: str, content: Content
) -> None:
    limits = small_parts(blobs=4)
    with FaultyRegistry(script=nth(kind, {0: Fault(status=404)})) as sink:
        await push(sink, content=content, limits=limits)
        assert holds(sink)
    assert len(sink.of("post")) == 2 and limits.uploads.width == 2


async def test_a_session_lost_together_with_its_connection_begins_again(content: Content) -> None:
    def script(seen: Seen) -> Fault | None:
        kind, number = seen.kind, seen.number
        if (kind, number) == ("patch", 2):
            return Fault(keep=10, cut_at=0)
        return Fault(status=404) if (kind, number) == ("status", 0) else None

    with FaultyRegistry(script=script) as sink:
        await push(sink, content=content)
        assert holds(sink)
    assert len(sink.of("post")) == 2


async def test_a_patch_answered_201_falls_back_to_one_put(content: Content) -> None:
    with FaultyRegistry(script=nth("patch", {0: Fault(status=201)})) as sink:
        await push(sink, content=content)
        assert holds(sink)
    assert len(sink.of("patch")) == 1
    assert sink.of("put")[0].headers["Content-Length"] == str(BLOB.size)


@pytest.mark.parametrize("kind", ["patch", "put"])
async def test_a_busy_registry_is_waited_for(kind: str, content: Content) -> None:
    with FaultyRegistry(script=nth(kind, {0: Fault(status=503)})) as sink:
        await push(sink, content=content)
        assert holds(sink)


async def test_a_put_that_breaks_before_it_is_answered(content: Content) -> None:
    with FaultyRegistry(script=nth("put", {0: Fault(cut_at=0)})) as sink:
        await push(sink, content=content)
        assert holds(sink)


async def test_a_small_blob_that_breaks_in_its_only_put(content: Content) -> None:
    with FaultyRegistry(script=nth("put", {0: Fault(cut_at=0)})) as sink:
        await push(sink, content=content, chunk=64 * PART)
        assert holds(sink)


async def test_an_upload_that_never_holds_is_given_up(content: Content) -> None:
    def script(seen: Seen) -> Fault | None:
        return Fault(keep=1, cut_at=0) if seen.kind == "patch" else None

    with (
        FaultyRegistry(script=script) as sink,
        pytest.raises(ConnectionFailed, match="gave up") as caught,
    ):
        await push(sink, content=content)
    assert len(sink.of("patch")) == QUICK.attempts
    assert caught.value.hint is not None and "not sent again" in caught.value.hint


async def test_a_cancelled_upload_leaves_nothing_with_the_registry(content: Content) -> None:
    limits = small_parts(max_rate=2 * PART)
    with FaultyRegistry() as sink:
        task = asyncio.create_task(push(sink, content=content, limits=limits))
        while len(sink.of("patch")) < 2:
            await asyncio.sleep(0.01)
        sent = len(sink.of("patch"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # One more may have come in meanwhile.
        assert len(sink.of("patch")) <= sent + 1
        assert len(sink.of("delete")) == 1 and sink.sessions == {}


async def test_a_refusal_is_final(content: Content) -> None:
    with (
        FaultyRegistry(script=nth("patch", {0: Fault(status=413)})) as sink,
        pytest.raises(RegistryError) as caught,
    ):
        await push(sink, content=content)
    assert caught.value.status == 413 and len(sink.of("patch")) == 1


@pytest.mark.parametrize("chunk", [2 * PART, 100 * PART])
async def test_bodies_get_smaller_where_a_proxy_takes_no_larger_ones(
    content: Content, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "SMALLEST_CHUNK", 1000)

    def proxy(seen: Seen) -> Fault | None:
        large = int(seen.headers.get("Content-Length", "0")) > PART + 1000
        return Fault(status=413) if large and seen.kind in ("patch", "put") else None

    limits = small_parts()
    with FaultyRegistry(script=proxy) as sink:
        await push(sink, content=content, limits=limits, chunk=chunk)
        assert holds(sink)
    known = limits.largest_chunk(sink.host)
    # This registry keeps what it refused of a PUT, so that no smaller one was needed.
    most = PART + 1000 if chunk == 2 * PART else BLOB.size // 2
    assert known is not None and PART // 2 < known <= most, "the next blob begins there"


async def test_a_registry_that_takes_no_body_at_all_ends_it(content: Content) -> None:
    with FaultyRegistry(
        script=lambda seen: Fault(status=413) if seen.kind == "patch" else None
    ) as sink:
        with pytest.raises(RegistryError) as caught:
            await push(sink, content=content)
        assert caught.value.status == 413 and len(sink.of("patch")) == 1
