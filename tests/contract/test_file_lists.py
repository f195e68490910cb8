"""Lists of files beside kits: published once, found again, and in nobody's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.support.registries import Running, plain_registry
from tests.support.relay import relaying

from kitfast import aio
from kitfast.modelkit.filelist import FILES, ListedFolder
from kitfast.modelkit.kit import fetch
from kitfast.modelkit.published import find
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
KITFILE = """manifestVersion: 1.0.0
model: {path: w}
datasets: [{path: sub/alone.bin}]
docs: [{path: README}]
"""
INDEX = "application/vnd.oci.image.index.v1+json"


@contextlib.asynccontextmanager
async def served(home: Path) -> AsyncIterator[str]:
    """Serves a store of our own, which knows the referrers API; Distribution 2 does not."""
    where: asyncio.Future[aio.Serving] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(aio.serve(port=0, home=home, ready=where.set_result))
    try:
        yield (await asyncio.wait_for(where, 10)).address
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture(params=["tag", "api"])
async def host(
    request: pytest.FixtureRequest, plain_registry: Running, tmp_path: Path
) -> AsyncIterator[str]:
    if request.param == "tag":
        yield plain_registry.host
        return
    async with served(tmp_path / "served") as address:
        yield address


async def packed(tmp_path: Path, reference: str) -> aio.Packed:
    folder = tmp_path / "folder"
    (folder / "w").mkdir(parents=True)
    for name, size in (("a", 3_000_000), ("b", 2_000_000), ("c.json", 10), ("empty", 0)):
        (folder / "w" / name).write_bytes(os.urandom(size))
    (folder / "sub").mkdir(mode=0o710)
    (folder / "sub/alone.bin").write_bytes(os.urandom(1_500_000))
    (folder / "README").write_bytes(b"read me")
    (folder / "Kitfile").write_text(KITFILE)
    return await aio.pack(folder, tags=[reference], home=tmp_path / "home")


async def answer(url: str, accept: str = "*/*") -> Any:
    async with ClientSession() as client, client.get(url, headers={"Accept": accept}) as got:
        assert got.status == 200, url
        return json.loads(await got.read())


async def test_a_push_publishes_it_once_and_others_find_it(tmp_path: Path, host: str) -> None:
    reference = f"{host}/lists/{tmp_path.name.replace('_', '-')}:v1"
    await packed(tmp_path, reference)
    first = await aio.push(reference, home=tmp_path / "home", network=PLAIN)
    assert first.warnings == ()
    parsed = references.parse(reference)
    async with connected(parsed, tmp_path, PLAIN) as registry:
        kit = await fetch(registry, parsed)
        entries = await registry.referrers(parsed.repository, kit.digest, FILES)
        again = await aio.push(reference, home=tmp_path / "home", network=PLAIN)
        same = await registry.referrers(parsed.repository, kit.digest, FILES)
        found, warnings = await find(registry, parsed.repository, kit.digest, kit.manifest.layers)
    assert (len(entries), entries, again.warnings) == (1, same, ())
    # A small layer of one file comes anyway.
    (layer, alone) = found.values()
    assert warnings == []
    assert [layer.digest, alone.digest] == [one.digest for one in kit.manifest.layers[:2]]
    assert (alone.names, alone.folders) == (("sub/alone.bin",), (ListedFolder("sub", 0o710),))
    sizes = [(file.name, file.size) for file in layer.files]
    assert sizes == [("w/a", 3_000_000), ("w/b", 2_000_000), ("w/c.json", 10), ("w/empty", 0)]


@pytest.mark.parametrize("cached", [False, True])
async def test_a_folder_gets_the_list_that_pack_and_push_give(
    tmp_path: Path, host: str, cached: bool
) -> None:
    home = tmp_path / "home"
    reference = f"{host}/folders/{tmp_path.name.replace('_', '-')}:v1"
    made = await packed(tmp_path, reference)
    parsed = references.parse(reference)

    async def entries() -> list[Any]:
        async with connected(parsed, tmp_path, PLAIN) as registry:
            return await registry.referrers(parsed.repository, made.digest, FILES)

    pushing = {"home": home, "network": PLAIN, "cache": cached}
    without = await aio.push(tmp_path / "folder", reference, file_digests=False, **pushing)
    assert (without.digest, await entries()) == (made.digest, [])
    # With the cache nothing is hashed any more, and the files are read for the list alone.
    done = await aio.push(tmp_path / "folder", reference, **pushing)
    assert (done.digest, done.warnings) == (made.digest, ())
    first = await entries()
    assert len(first) == 1
    await aio.push(tmp_path / "folder", reference, **pushing)
    await aio.push(reference, home=home, network=PLAIN)
    assert await entries() == first


async def test_it_is_shown_to_nobody_who_looks_for_kits(tmp_path: Path, host: str) -> None:
    repository = f"{host}/shown/{tmp_path.name.replace('_', '-')}"
    made = await packed(tmp_path, f"{repository}:v1")
    await aio.push(f"{repository}:v1", home=tmp_path / "home", network=PLAIN)
    kits = await aio.list_kits(repository, home=tmp_path / "home", network=PLAIN)
    assert [(kit.digest, kit.tags) for kit in kits] == [(made.digest, ("v1",))]
    if (tmp_path / "served").exists():
        stored = await aio.list_kits(home=tmp_path / "served")
        assert [(kit.digest, kit.tags) for kit in stored] == [(made.digest, ("v1",))]


async def test_what_others_have_listed_under_the_tag_stays(
    tmp_path: Path, plain_registry: Running
) -> None:
    reference = f"{plain_registry.host}/lists/shared:v1"
    made = await packed(tmp_path, reference)
    home = tmp_path / "home"
    await aio.push(reference, home=home, network=PLAIN, file_digests=False)
    base = f"http://{plain_registry.host}/v2/lists/shared"
    manifest = await answer(f"{base}/manifests/v1", "application/vnd.oci.image.manifest.v1+json")
    theirs = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": made.digest,
        "size": len(json.dumps(manifest, separators=(",", ":"))),
        "artifactType": "application/vnd.example.signature",
        "a field of theirs": [1],
    }
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs]}
    tag = made.digest.replace(":", "-")
    url = f"{base}/manifests/{tag}"
    async with ClientSession() as client:
        put = client.put(url, data=json.dumps(index), headers={"Content-Type": INDEX})
        async with put as done:
            assert done.status == 201
    assert (await aio.push(reference, home=home, network=PLAIN)).warnings == ()
    merged = await answer(url, INDEX)
    assert merged["manifests"][0] == theirs
    assert [one["artifactType"] for one in merged["manifests"][1:]] == [FILES]


async def test_where_it_is_switched_off_nothing_is_published(
    tmp_path: Path, plain_registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = f"{plain_registry.host}/lists/off:v1"
    await packed(tmp_path, reference)
    monkeypatch.setenv("KITFAST_FILE_DIGESTS", "false")
    await aio.push(reference, home=tmp_path / "home", network=PLAIN)
    tags = await answer(f"http://{plain_registry.host}/v2/lists/off/tags/list")
    assert tags["tags"] == ["v1"]


async def test_a_registry_that_wants_no_list_gets_the_kit_all_the_same(
    tmp_path: Path, plain_registry: Running
) -> None:
    async with relaying(plain_registry.host) as relay:
        relay.refuse = lambda path: 403 if "/referrers/" in path else 0
        reference = f"{relay.host}/lists/refused:v1"
        made = await packed(tmp_path, reference)
        done = await aio.push(reference, home=tmp_path / "home", network=PLAIN)
    (warning,) = done.warnings
    assert done.digest == made.digest
    assert warning.startswith("the digests of single files were not published: ")
    assert "\n" not in warning
