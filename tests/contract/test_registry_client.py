"""Holds the client to a real registry: manifests, tags, blobs, ranges, uploads."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator

import pytest
from tests.support.registries import Running, plain_registry

from kitfast.errors import DigestMismatch, NotInRegistry, ProtocolError, RegistryError
from kitfast.registry import Credentials, Registry, Upload
from kitfast.settings import Network

__all__ = ["plain_registry"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
async def registry(plain_registry: Running) -> AsyncIterator[Registry]:
    network = Network(plain_http=True)
    async with Registry(plain_registry.host, network, Credentials()) as opened:
        yield opened


@pytest.fixture
def repository() -> str:
    return f"test/{secrets.token_hex(8)}"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def pieces(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def started(registry: Registry, repository: str) -> Upload:
    upload = await registry.start_upload(repository)
    assert upload is not None
    return upload


async def pushed(registry: Registry, repository: str, data: bytes) -> str:
    upload = await started(registry, repository)
    await upload.put(digest_of(data), pieces(data), len(data))
    return digest_of(data)


async def pushed_manifest(registry: Registry, repository: str, tag: str) -> bytes:
    config = f"config of {tag}".encode()
    digest = await pushed(registry, repository, config)
    descriptor = {"mediaType": "text/plain", "digest": digest, "size": len(config)}
    data = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": []}
    ).encode()
    await registry.put_manifest(repository, tag, data, MANIFEST)
    return data


async def read(
    registry: Registry, repository: str, digest: str, size: int, *ends: int
) -> tuple[bytes, int]:
    start, end = ends or (None, None)
    async with registry.get_blob(repository, digest, start=start, end=end, size=size) as stream:
        parts = [chunk async for chunk in stream.chunks()]
        return b"".join(parts), stream.status


async def test_ping(registry: Registry) -> None:
    await registry.ping()


async def test_a_manifest_comes_back_byte_for_byte(registry: Registry, repository: str) -> None:
    data = await pushed_manifest(registry, repository, "v1")
    by_tag = await registry.manifest(repository, "v1")
    assert (by_tag.data, by_tag.digest, by_tag.media_type) == (data, digest_of(data), MANIFEST)
    assert await registry.manifest(repository, by_tag.digest) == by_tag


async def test_what_is_not_there(registry: Registry, repository: str) -> None:
    with pytest.raises(NotInRegistry, match=repository) as caught:
        await registry.manifest(repository, "v1")
    assert caught.value.status == 404
    assert caught.value.hint
    with pytest.raises(NotInRegistry):
        await registry.tags(repository)
    assert await registry.blob_size(repository, digest_of(b"nothing")) is None
    with pytest.raises(NotInRegistry):
        await read(registry, repository, digest_of(b"nothing"), 7)


async def test_tags_of_several_pages(
    registry: Registry, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"v{number}" for number in range(5)]
    for name in names:
        await pushed_manifest(registry, repository, name)
    monkeypatch.setattr("kitfast.registry.listing.PAGE", 2)
    assert sorted(await registry.tags(repository)) == names


async def test_a_manifest_is_deleted(registry: Registry, repository: str) -> None:
    data = await pushed_manifest(registry, repository, "v1")
    await registry.delete_manifest(repository, digest_of(data))
    with pytest.raises(NotInRegistry):
        await registry.manifest(repository, digest_of(data))


async def test_this_registry_cannot_delete_a_tag(registry: Registry, repository: str) -> None:
    await pushed_manifest(registry, repository, "v1")
    with pytest.raises(RegistryError, match="cannot delete a tag alone") as caught:
        await registry.delete_manifest(repository, "v1")
    assert caught.value.status == 400
    assert "@sha256" in str(caught.value.hint)


async def test_blob_whole_and_in_ranges(registry: Registry, repository: str) -> None:
    data = secrets.token_bytes(1_000_003)
    digest = await pushed(registry, repository, data)
    assert await registry.blob_size(repository, digest) == len(data)
    assert await registry.blob_bytes(repository, digest, len(data)) == data
    assert await read(registry, repository, digest, len(data)) == (data, 200)
    got = await read(registry, repository, digest, len(data), 5, 700_000)
    assert got == (data[5:700_000], 206)
    got = await read(registry, repository, digest, len(data), len(data) - 1, len(data))
    assert got == (data[-1:], 206)


async def test_a_blob_of_another_size_is_refused(registry: Registry, repository: str) -> None:
    digest = await pushed(registry, repository, b"seven b")
    with pytest.raises(ProtocolError):
        await registry.blob_bytes(repository, digest, 6)
    with pytest.raises(ProtocolError):
        await read(registry, repository, digest, 8)
    with pytest.raises(ProtocolError):
        await read(registry, repository, digest, 8, 0, 4)


async def test_upload_in_chunks(registry: Registry, repository: str) -> None:
    data = secrets.token_bytes(300_000)
    upload = await started(registry, repository)
    assert not upload.monolithic
    await upload.patch(pieces(data[:200_000]), 200_000)
    assert upload.offset == 200_000
    assert await upload.status() == 200_000
    await upload.patch(pieces(data[200_000:]), 100_000)
    await upload.put(digest_of(data))
    assert await registry.blob_bytes(repository, digest_of(data), len(data)) == data


async def test_upload_of_one_byte(registry: Registry, repository: str) -> None:
    upload = await started(registry, repository)
    await upload.patch(pieces(b"x"), 1)
    assert upload.offset == 1
    await upload.put(digest_of(b"x"))
    assert await registry.blob_size(repository, digest_of(b"x")) == 1


async def test_wrong_bytes_are_not_taken(registry: Registry, repository: str) -> None:
    upload = await started(registry, repository)
    with pytest.raises(RegistryError) as caught:
        await upload.put(digest_of(b"right"), pieces(b"wrong"), 5)
    assert caught.value.code == "DIGEST_INVALID"
    assert await registry.blob_size(repository, digest_of(b"right")) is None


async def test_a_body_that_fails_says_so_itself(registry: Registry, repository: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise DigestMismatch("the source is damaged")

    upload = await started(registry, repository)
    with pytest.raises(DigestMismatch, match="the source is damaged"):
        await upload.patch(broken(), 100)


async def test_a_body_of_the_wrong_length_is_an_error(registry: Registry, repository: str) -> None:
    upload = await started(registry, repository)
    with pytest.raises(ValueError, match="3 bytes, 4 announced"):
        await upload.patch(pieces(b"abc"), 4)
    upload = await started(registry, repository)
    with pytest.raises(ValueError, match="more than the 2 bytes"):
        await upload.patch(pieces(b"abc"), 2)


async def test_a_cancelled_upload_is_gone(registry: Registry, repository: str) -> None:
    upload = await started(registry, repository)
    await upload.cancel()
    with pytest.raises(NotInRegistry) as caught:
        await upload.status()
    assert caught.value.code == "BLOB_UPLOAD_UNKNOWN"


async def test_mount(registry: Registry, repository: str) -> None:
    digest = await pushed(registry, repository, b"shared")
    other = f"{repository}-other"
    assert await registry.start_upload(other, mount=digest, source=repository) is None
    assert await registry.blob_bytes(other, digest, 6) == b"shared"
    unknown = digest_of(b"unknown")
    assert await registry.start_upload(other, mount=unknown, source=repository) is not None
