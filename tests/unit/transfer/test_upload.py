"""Uploads send nothing twice, and end with a blob that the registry verified."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from tests.support.memory import MemoryBlob, MemoryUploads, random_blob, small_parts

from kitfast.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    NotInRegistry,
    ProtocolError,
    RegistryError,
)
from kitfast.transfer.limits import Limits, forget_hosts
from kitfast.transfer.plan import MIB
from kitfast.transfer.upload import Uploaded, upload

BLOB = random_blob(5 * MIB + 3)
BROKE = ConnectionFailed("broke", transient=True)
LOST = NotInRegistry("lost", status=404, code="BLOB_UPLOAD_UNKNOWN")


@pytest.fixture(autouse=True)
def know_no_host() -> None:
    forget_hosts()


async def send(
    sink: MemoryUploads,
    blob: MemoryBlob = BLOB,
    mount_from: str | None = None,
    limits: Limits | None = None,
    chunk: int = 2 * MIB,
) -> tuple[Uploaded, int]:
    counts: list[int] = []
    done = await upload(
        sink,
        "r",
        blob,
        blob,
        limits=limits or small_parts(),
        on_bytes=counts.append,
        mount_from=mount_from,
        chunk=chunk,
    )
    return done, sum(counts)


async def test_a_blob_that_is_there_is_not_sent() -> None:
    sink = MemoryUploads(blobs={BLOB.digest: BLOB.data})
    assert await send(sink) == (Uploaded("present"), 0)
    assert sink.calls == ["head"]


async def test_a_blob_of_another_size_is_an_error() -> None:
    sink = MemoryUploads(blobs={BLOB.digest: b"short"})
    with pytest.raises(ProtocolError, match="5 bytes instead of"):
        await send(sink)


async def test_a_mounted_blob_is_not_sent() -> None:
    sink = MemoryUploads(mountable={BLOB.digest})
    assert await send(sink, mount_from="other") == (Uploaded("mounted"), 0)
    assert sink.calls == ["head", "mount"]


async def test_a_mount_that_is_not_granted_goes_on_as_an_upload() -> None:
    sink = MemoryUploads()
    done, counted = await send(sink, mount_from="other")
    assert (done.how, counted) == ("sent", BLOB.size)
    assert sink.calls[:2] == ["head", "mount"] and "start" not in sink.calls


async def test_a_large_blob_goes_in_chunks_and_an_empty_put() -> None:
    sink = MemoryUploads()
    done, counted = await send(sink)
    assert sink.calls == ["head", "start", "patch", "patch", "patch", "put"]
    assert sink.blobs[BLOB.digest] == BLOB.data
    assert (done, counted) == (Uploaded("sent", BLOB.size), BLOB.size)
    assert sink.longest_slice == MIB


async def test_a_small_blob_goes_in_one_put() -> None:
    sink = MemoryUploads()
    await send(sink, chunk=8 * MIB)
    assert sink.calls == ["head", "start", "put whole"]


async def test_an_empty_blob_can_be_sent() -> None:
    sink, empty = MemoryUploads(), MemoryBlob(b"")
    await send(sink, empty)
    assert sink.blobs == {empty.digest: b""}


async def test_chunks_are_no_smaller_than_the_registry_asks() -> None:
    sink = MemoryUploads(min_chunk=3 * MIB)
    await send(sink)
    assert sink.calls.count("patch") == 2


async def test_a_monolithic_registry_gets_one_put_whatever_the_size() -> None:
    sink = MemoryUploads(monolithic=True)
    await send(sink)
    assert sink.calls == ["head", "start", "put whole"]


async def test_a_broken_chunk_goes_on_from_the_status() -> None:
    sink = MemoryUploads(breaks_at=3 * MIB)
    done, counted = await send(sink)
    assert sink.blobs[BLOB.digest] == BLOB.data and len(sink.sessions) == 1
    assert "status" in sink.calls and counted == BLOB.size
    assert done.sent <= BLOB.size


async def test_a_lost_session_begins_again_with_fewer_side_by_side() -> None:
    sink, limits = MemoryUploads(fail=[("put", LOST)]), small_parts(blobs=4)
    done, counted = await send(sink, limits=limits)
    assert sink.blobs[BLOB.digest] == BLOB.data and len(sink.sessions) == 2
    assert limits.uploads.width == 2
    assert done.sent == 2 * BLOB.size and counted == BLOB.size


async def test_a_session_that_is_gone_after_a_break_begins_again() -> None:
    sink = MemoryUploads(breaks_at=3 * MIB, loses_sessions=True)
    await send(sink)
    assert sink.blobs[BLOB.digest] == BLOB.data and len(sink.sessions) == 2


async def test_a_broken_monolithic_put_begins_again() -> None:
    sink = MemoryUploads(monolithic=True, breaks_at=MIB)
    await send(sink)
    assert sink.blobs[BLOB.digest] == BLOB.data and len(sink.sessions) == 2


async def test_a_patch_that_loses_its_bytes_falls_back_to_one_put_and_is_remembered() -> None:
    class LosesPatches(MemoryUploads):
        async def act(self, call: str) -> None:
            await super().act(call)
            if call == "patch":
                self.sessions[-1].monolithic = True
                raise ProtocolError("took the part for the whole", transient=True)

    sink, limits = LosesPatches(), small_parts()
    await send(sink, limits=limits)
    assert sink.blobs[BLOB.digest] == BLOB.data
    assert sink.calls[-3:] == ["start", "cancel", "put whole"]
    other = random_blob(5 * MIB, seed=9)
    await send(sink, other, limits=limits)
    assert sink.calls.count("patch") == 1 and sink.blobs[other.digest] == other.data


async def test_a_put_whose_answer_was_lost_is_not_repeated() -> None:
    class AnswerLost(MemoryUploads):
        async def act(self, call: str) -> None:
            if call == "put":
                self.blobs[BLOB.digest] = BLOB.data
                self.calls.append(call)
                raise BROKE
            await super().act(call)

    sink = AnswerLost()
    done, _ = await send(sink)
    assert sink.calls.count("put") == 1 and done.how == "sent"


async def test_a_wrong_digest_after_a_resume_begins_again_but_not_otherwise() -> None:
    wrong = RegistryError("wrong", status=400, code="DIGEST_INVALID")
    sink = MemoryUploads(breaks_at=3 * MIB, fail=[("put", wrong)])
    await send(sink)
    assert sink.blobs[BLOB.digest] == BLOB.data and len(sink.sessions) == 2
    with pytest.raises(RegistryError, match="wrong"):
        await send(MemoryUploads(fail=[("put", wrong)]))


async def test_it_is_given_up_with_a_word_on_how_far_it_came() -> None:
    sink = MemoryUploads(fail=[("patch", BROKE) for _ in range(9)])
    with pytest.raises(ConnectionFailed, match=r"gave up .* at 0 of") as caught:
        await send(sink)
    assert caught.value.hint is not None and "not sent again" in caught.value.hint


async def test_a_refusal_is_final() -> None:
    sink = MemoryUploads(fail=[("patch", AuthenticationFailed("no", status=403))])
    with pytest.raises(AuthenticationFailed):
        await send(sink)
    assert sink.calls.count("patch") == 1


@pytest.mark.parametrize(
    ("script", "opened", "cancelled"),
    [
        ([("patch", RegistryError("too large", status=413))], 1, 1),
        ([("patch", BROKE)] * 9, 1, 1),
        ([("patch", RegistryError("out of order", status=416))], 2, 1),
        ([("put", LOST)], 2, 0),
    ],
)
async def test_the_registry_hears_of_uploads_that_do_not_go_on(
    script: list[tuple[str, Exception]], opened: int, cancelled: int
) -> None:
    sink = MemoryUploads(fail=script)
    with contextlib.suppress(RegistryError, ConnectionFailed):
        await send(sink)
    assert (len(sink.sessions), sink.cancelled) == (opened, cancelled)


async def test_nobody_waits_long_for_an_upload_to_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kitfast.transfer.upload.FORGET_SECONDS", 0.05)

    class Hangs(MemoryUploads):
        async def act(self, call: str) -> None:
            if call == "cancel":
                await asyncio.sleep(60)
            await super().act(call)

    with pytest.raises(AuthenticationFailed):
        sink = Hangs(fail=[("patch", AuthenticationFailed("no", status=403))])
        await asyncio.wait_for(send(sink), 5)


class Cancelled(MemoryUploads):
    """Hangs in one call, and answers those that give the upload up by a script."""

    def __init__(self, hangs_in: str, *answers: Exception | float) -> None:
        super().__init__()
        self.hangs_in, self.answers = hangs_in, list(answers)
        self.hung = asyncio.Event()

    async def act(self, call: str) -> None:
        await super().act(call)
        if call == self.hangs_in:
            self.hung.set()
            await asyncio.sleep(60)
        if call == "cancel" and self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            await asyncio.sleep(answer)


@pytest.mark.parametrize(
    ("hangs_in", "answers", "asked", "cancelled"),
    [
        ("patch", [], 1, 1),
        ("put", [], 1, 1),
        ("head", [], 0, 0),
        ("start", [], 0, 0),
        # It has not noticed yet that no more bytes come.
        ("patch", [RegistryError("busy", status=416)] * 2, 3, 1),
        ("patch", [RegistryError("no", status=405)], 1, 0),
        ("patch", [ConnectionFailed("broke")], 1, 0),
        ("patch", [60.0], 1, 0),
        ("patch", [RegistryError("busy", status=409)] * 99, None, 0),
    ],
)
async def test_the_registry_hears_of_an_upload_that_is_cancelled(
    hangs_in: str, answers: list[Exception | float], asked: int | None, cancelled: int
) -> None:
    sink = Cancelled(hangs_in, *answers)
    task = asyncio.create_task(send(sink))
    await asyncio.wait_for(sink.hung.wait(), 5)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 10, "a registry that hangs is not waited for"
    assert asked is None or sink.calls.count("cancel") == asked
    assert sink.cancelled == cancelled


async def test_slow_reads_leave_the_loop_free() -> None:
    class SlowDisk(MemoryBlob):
        def read(self, offset: int, length: int) -> bytes:
            time.sleep(0.03)
            return super().read(offset, length)

    longest, stop = 0.0, asyncio.Event()

    async def measure() -> None:
        nonlocal longest
        while not stop.is_set():
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - begun)

    watch = asyncio.create_task(measure())
    sink = MemoryUploads()
    await send(sink, SlowDisk(BLOB.data))
    stop.set()
    await watch
    assert sink.blobs[BLOB.digest] == BLOB.data and longest < 0.06


async def test_no_more_blobs_than_allowed_are_sent_side_by_side() -> None:
    limits, now, most = small_parts(blobs=2), 0, 0

    class Counting(MemoryUploads):
        async def act(self, call: str) -> None:
            nonlocal now, most
            now += call == "head"
            most = max(most, now)
            await super().act(call)
            now -= call == "put whole"

    sink = Counting()
    blobs = [random_blob(1000, seed=seed) for seed in range(6)]
    await asyncio.gather(*(send(sink, blob, limits=limits) for blob in blobs))
    assert len(sink.blobs) == 6 and most == 2
