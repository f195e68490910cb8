"""Holds the embedded registry to the specification where the client cannot see."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.support.memory import MemoryBlob, random_blob
from tests.support.shelf import MemoryShelf
from yarl import URL

from kitfast import aio
from kitfast.errors import InvalidArgument
from kitfast.registry.serve import Server
from kitfast.registry.serve import uploads as uploads_module
from kitfast.settings import Network

BLOB = random_blob(3_000_000)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MIB = 1 << 20


@pytest.fixture
def shelf() -> MemoryShelf:
    shelf = MemoryShelf()
    shelf.add("a/b", BLOB)
    return shelf


@pytest.fixture
async def server(shelf: MemoryShelf, tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(shelf, tmp_path / "uploads") as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.host}") as session:
        yield session


def manifest_of(*blobs: MemoryBlob, **more: object) -> bytes:
    entries = [{"mediaType": "x/y", "digest": b.digest, "size": b.size} for b in blobs]
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": entries[0]}
    return json.dumps({**document, "layers": entries[1:], **more}).encode()


async def opened(client: aiohttp.ClientSession) -> str:
    async with client.post("/v2/a/b/blobs/uploads/") as answer:
        assert answer.status == 202
        return answer.headers["Location"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-1500000", 5, 1_500_001),
        ("bytes=2999999-", 2_999_999, 3_000_000),
        ("bytes=-7", 2_999_993, 3_000_000),
        ("bytes=10-99999999", 10, 3_000_000),
        ("bytes=-99999999", 0, 3_000_000),
    ],
)
async def test_ranges(client: aiohttp.ClientSession, asked: str, start: int, end: int) -> None:
    path = f"/v2/a/b/blobs/{BLOB.digest}"
    async with client.get(path, headers={"Range": asked}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/3000000"
        assert await answer.read() == BLOB.data[start:end]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "x"])
async def test_ranges_that_are_no_single_range_give_everything(
    client: aiohttp.ClientSession, asked: str
) -> None:
    async with client.get(f"/v2/a/b/blobs/{BLOB.digest}", headers={"Range": asked}) as answer:
        assert (answer.status, await answer.read() == BLOB.data) == (200, True)


@pytest.mark.parametrize("asked", ["bytes=3000000-", "bytes=4000000-5000000", "bytes=-0"])
async def test_ranges_outside_the_blob(client: aiohttp.ClientSession, asked: str) -> None:
    async with client.get(f"/v2/a/b/blobs/{BLOB.digest}", headers={"Range": asked}) as answer:
        assert answer.status == 416
        assert answer.headers["Content-Range"] == "bytes */3000000"
        assert (await answer.json())["errors"][0]["code"] == "RANGE_INVALID"


async def test_head_has_the_headers_and_no_body(client: aiohttp.ClientSession) -> None:
    async with client.head(f"/v2/a/b/blobs/{BLOB.digest}") as answer:
        assert answer.status == 200 and answer.headers["Content-Length"] == "3000000"
        assert answer.headers["Docker-Content-Digest"] == BLOB.digest


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v2/a/b/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/a/b/blobs/sha256:123", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/b/blobs/..", 400, "DIGEST_INVALID"),
        ("GET", "/v2/A/b/blobs/sha256:" + "0" * 64, 400, "NAME_INVALID"),
        ("GET", "/v2/a/%2e%2e/b/tags/list", 400, "NAME_INVALID"),
        ("GET", "/v2/a/b/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/b/manifests/-x", 400, "TAG_INVALID"),
        ("GET", "/v2/no/such/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/b/tags/list?n=many", 400, "PAGINATION_NUMBER_INVALID"),
        ("DELETE", f"/v2/a/b/blobs/{BLOB.digest}", 405, "UNSUPPORTED"),
        ("PATCH", "/v2/a/b/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "/v2/a/b/manifests/v1", 400, "MANIFEST_INVALID"),
        ("POST", "/v2/a/b/blobs/uploads/?mount=x&from=a/b", 400, "DIGEST_INVALID"),
        ("POST", "/v2/", 405, "UNSUPPORTED"),
        ("GET", "/", 404, "UNSUPPORTED"),
    ],
)
async def test_errors_are_worded_as_specified(
    server: Server, method: str, path: str, status: int, code: str
) -> None:
    address = URL(f"http://{server.host}{path}", encoded=True)
    async with aiohttp.ClientSession() as client, client.request(method, address) as answer:
        assert answer.status == status
        assert (await answer.json())["errors"][0]["code"] == code


async def test_an_upload_broken_in_a_chunk_keeps_what_came(
    client: aiohttp.ClientSession, shelf: MemoryShelf
) -> None:
    new = random_blob(5 * MIB, seed=3)

    async def breaks() -> AsyncIterator[bytes]:
        yield new.data[: 2 * MIB]
        await asyncio.sleep(0.05)
        raise ConnectionResetError("client dies")

    where = await opened(client)
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await client.patch(where, data=breaks())
    await asyncio.sleep(0.05)
    async with client.get(where) as answer:
        assert answer.status == 204 and answer.headers["Range"] == f"0-{2 * MIB - 1}"
    order = {"Content-Range": f"{2 * MIB}-{new.size - 1}"}
    async with client.patch(where, data=io.BytesIO(new.data[2 * MIB :]), headers=order) as answer:
        assert answer.status == 202 and answer.headers["Range"] == f"0-{new.size - 1}"
    async with client.put(f"{where}?digest={new.digest}") as answer:
        assert answer.status == 201 and answer.headers["Docker-Content-Digest"] == new.digest
    assert shelf.blob("a/b", new.digest) == new


async def test_chunks_out_of_order_are_refused_and_change_nothing(
    client: aiohttp.ClientSession,
) -> None:
    where = await opened(client)
    async with client.patch(where, data=b"12345", headers={"Content-Range": "0-4"}) as answer:
        assert answer.status == 202
    for value in ("0-4", "6-10", "5-20"):
        async with client.patch(where, data=b"67890", headers={"Content-Range": value}) as answer:
            assert answer.status == 416 and answer.headers["Range"] == "0-4"


async def test_two_requests_at_one_upload_do_not_mix(client: aiohttp.ClientSession) -> None:
    where, begun, go_on = await opened(client), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first "
        begun.set()
        await go_on.wait()
        yield b"second"

    first = asyncio.ensure_future(client.patch(where, data=slow()))
    await begun.wait()
    await asyncio.sleep(0.05)
    async with client.patch(where, data=b"other") as answer:
        assert answer.status == 416
    go_on.set()
    async with await first as answer:
        assert answer.status == 202 and answer.headers["Range"] == "0-11"


async def test_a_wrong_digest_keeps_nothing(
    client: aiohttp.ClientSession, tmp_path: Path, shelf: MemoryShelf
) -> None:
    where, wrong = await opened(client), "sha256:" + "1" * 64
    async with client.put(f"{where}?digest={wrong}", data=b"bytes") as answer:
        assert answer.status == 400
        assert (await answer.json())["errors"][0]["code"] == "DIGEST_INVALID"
    assert shelf.blob("a/b", wrong) is None
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_uploads_nobody_touched_are_dropped(
    client: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await opened(client)
    monkeypatch.setattr(uploads_module, "IDLE_SECONDS", 0.0)
    await asyncio.sleep(0.01)
    await opened(client)
    async with client.get(old) as answer:
        assert answer.status == 404
    assert len(list((tmp_path / "uploads").iterdir())) == 1


async def test_a_manifest_needs_its_blobs(client: aiohttp.ClientSession) -> None:
    missing = MemoryBlob(b"nobody has this")
    headers = {"Content-Type": MANIFEST}
    for data in (manifest_of(missing), manifest_of(BLOB, missing)):
        async with client.put("/v2/a/b/manifests/v1", data=data, headers=headers) as answer:
            assert answer.status == 404
            assert (await answer.json())["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


async def test_a_manifest_comes_back_byte_for_byte(client: aiohttp.ClientSession) -> None:
    data = manifest_of(BLOB, BLOB, annotations={"weird": "  spaces\u00e9 "}) + b"\n"
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    headers = {"Content-Type": MANIFEST}
    async with client.put("/v2/a/b/manifests/v1", data=data, headers=headers) as answer:
        assert answer.status == 201 and answer.headers["Docker-Content-Digest"] == digest
    for reference in ("v1", digest):
        async with client.get(f"/v2/a/b/manifests/{reference}") as answer:
            assert answer.content_type == MANIFEST and await answer.read() == data


async def test_a_manifest_that_is_too_long_is_refused(client: aiohttp.ClientSession) -> None:
    data = io.BytesIO(manifest_of(BLOB, annotations={"x": "y" * (4 * MIB)}))
    headers = {"Content-Type": MANIFEST}
    async with client.put("/v2/a/b/manifests/v1", data=data, headers=headers) as answer:
        assert answer.status == 413


async def test_tags_come_in_pages(client: aiohttp.ClientSession) -> None:
    data = manifest_of(BLOB)
    for tag in ("c", "a", "b"):
        put = client.put(f"/v2/a/b/manifests/{tag}", data=data, headers={"Content-Type": MANIFEST})
        async with put as answer:
            assert answer.status == 201
    async with client.get("/v2/a/b/tags/list?n=2") as answer:
        assert (await answer.json())["tags"] == ["a", "b"]
        following = answer.links["next"]["url"]
    async with client.get(following.relative()) as answer:
        assert (await answer.json())["tags"] == ["c"] and "Link" not in answer.headers


async def test_a_taken_port_is_named(server: Server, shelf: MemoryShelf, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=str(server.port)):
        async with Server(shelf, tmp_path, port=server.port):
            raise AssertionError("two servers on one port")


async def test_a_blob_that_cannot_be_read_ends_early_and_never_in_other_bytes(
    tmp_path: Path,
) -> None:
    class Broken(MemoryBlob):
        def read(self, offset: int, length: int) -> bytes:
            if offset >= 2 * MIB:
                raise OSError("the disk broke")
            return super().read(offset, length)

    shelf = MemoryShelf()
    shelf.add("a/b", Broken(BLOB.data))
    got = bytearray()
    async with (
        Server(shelf, tmp_path) as running,
        aiohttp.ClientSession(f"http://{running.host}") as client,
        client.get(f"/v2/a/b/blobs/{BLOB.digest}") as answer,
    ):
        with pytest.raises(aiohttp.ClientError):
            async for chunk in answer.content.iter_any():
                got += chunk
    assert len(got) <= 2 * MIB and BLOB.data.startswith(got)


async def test_memory_stays_small_while_a_large_blob_is_served(tmp_path: Path) -> None:
    class Large(MemoryBlob):
        held = 0

        @property
        def size(self) -> int:
            return 512 * MIB

        def read(self, offset: int, length: int) -> bytes:
            asked.append(length)
            return bytes(length)

    asked: list[int] = []
    shelf, large = MemoryShelf(), Large(b"")
    shelf.add("a/b", large)
    async with (
        Server(shelf, tmp_path) as running,
        aiohttp.ClientSession(f"http://{running.host}") as client,
        client.get(f"/v2/a/b/blobs/{large.digest}") as answer,
    ):
        await answer.content.readexactly(MIB)
        await asyncio.sleep(0.3)
        # What was read ahead fills the sockets' buffers and no more.
        assert sum(asked) < 32 * MIB and max(asked) <= MIB


async def test_the_store_keeps_the_very_file_that_an_upload_was_written_to(tmp_path: Path) -> None:
    home, where = tmp_path / "home", asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(aio.serve(port=0, home=home, ready=where.set_result))
    try:
        host = (await asyncio.wait_for(where, 10)).address
        async with aiohttp.ClientSession(f"http://{host}") as client:
            first, rest = BLOB.data[:MIB], io.BytesIO(BLOB.data[MIB:])
            wrong = f"{await opened(client)}?digest={BLOB.digest}"
            async with client.put(wrong, data=b"other bytes") as answer:
                assert answer.status == 400
                assert str(home) not in await answer.text()
            assert not any((home / "contents").glob("??/*"))
            right = await opened(client)
            async with client.patch(right, data=first) as answer:
                assert answer.status == 202
            (upload,) = (home / "landing" / "uploads").iterdir()
            written = upload.stat().st_ino
            async with client.put(f"{right}?digest={BLOB.digest}", data=rest) as answer:
                assert answer.status == 201
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    (content,) = (home / "contents").glob("??/*")
    assert content.stat().st_ino == written and not upload.exists()
    assert content.read_bytes() == BLOB.data


async def test_a_kit_is_pushed_back_to_the_store_that_packed_it(tmp_path: Path) -> None:
    model, home, away = tmp_path / "model", tmp_path / "home", tmp_path / "away"
    model.mkdir()
    (model / "Kitfile").write_text('manifestVersion: "1.0"\nmodel: {path: weights}\n')
    (model / "weights").write_bytes(BLOB.data)
    packed = await aio.pack(model, tags=["kit:v1"], home=home)
    where: asyncio.Future[aio.Serving] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(aio.serve(port=0, home=home, ready=where.set_result))
    try:
        host = (await asyncio.wait_for(where, 10)).address
        plain = Network(plain_http=True)
        await aio.pull(f"{host}/kit:v1", home=away, network=plain)
        pushed = await aio.push(f"{host}/kit:v1", f"{host}/kit:v2", home=away, network=plain)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert (pushed.digest, pushed.sent) == (packed.digest, 0)
    assert (await aio.info("kit:v2", home=home)).model is not None
