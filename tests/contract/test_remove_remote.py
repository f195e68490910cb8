"""`remove --remote`: what was published beside a kit goes with it, no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from tests.contract.test_file_lists import INDEX, PLAIN, answer, host, packed, served
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay, relaying

from kitfast import aio, errors
from kitfast.modelkit.filelist import FILES
from kitfast.modelkit.remote import connected
from kitfast.oci import digest as digests
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest, parse_manifest
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.registry.referrers import fallback_tag

__all__ = ["host", "plain_registry", "served"]

SIGNATURE = "application/vnd.example.signature"


async def pushed(tmp_path: Path, place: str) -> str:
    """Pushes a kit with a list of its files; returns its digest."""
    made = await packed(tmp_path, f"{place}:v1")
    done = await aio.push(f"{place}:v1", home=tmp_path / "home", network=PLAIN)
    assert done.warnings == ()
    return made.digest


async def referrers(place: str, digest: str, kind: str = FILES) -> list[str]:
    """The digests of what refers to a manifest."""
    parsed = references.parse(f"{place}:v1")
    async with connected(parsed, Path("/nonexistent"), PLAIN) as registry:
        return [one.digest for one in await registry.referrers(parsed.repository, digest, kind)]


async def refer(place: str, digest: str, kind: str, listed_as: str | None = None) -> str:
    """Writes a manifest of some kind that refers to a kit, as another program would."""
    parsed = references.parse(f"{place}:v1")
    async with connected(parsed, Path("/nonexistent"), PLAIN) as registry:
        fetched = await registry.manifest(parsed.repository, digest)
        kit = Descriptor(OCI_MANIFEST, digest, len(fetched.data))
        config = parse_manifest(fetched.data, fetched.media_type).config
        data = Manifest(config, (), artifact_type=kind, subject=kit).to_bytes()
        named = listed_as or kind
        entry = Descriptor(OCI_MANIFEST, digests.of(data), len(data), artifact_type=named)
        await registry.put_referrer(parsed.repository, data, entry, digest)
        return entry.digest


async def there(place: str, name: str) -> bool:
    """Whether a registry has a manifest of that tag or digest."""
    name_of_host, _, repository = place.partition("/")
    url = f"http://{name_of_host}/v2/{repository}/manifests/{name}"
    headers = {"Accept": f"{OCI_MANIFEST}, {INDEX}"}
    async with ClientSession() as client, client.get(url, headers=headers) as got:
        return got.status == 200


async def remove(place: str, tmp_path: Path, target: str = ":v1") -> aio.Removed:
    return await aio.remove(f"{place}{target}", remote=True, home=tmp_path / "home", network=PLAIN)


async def test_the_list_of_files_goes_with_its_kit(tmp_path: Path, host: str) -> None:
    place = f"{host}/removed/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, place)
    (files,) = await referrers(place, digest)
    assert await there(place, files)
    done = await remove(place, tmp_path)
    assert (done.digests, done.failures, done.warnings) == ((digest,), (), ())
    left = [name for name in (digest, files, fallback_tag(digest)) if await there(place, name)]
    assert left == []
    assert await referrers(place, digest) == []


async def test_what_others_attached_stays(tmp_path: Path, host: str) -> None:
    place = f"{host}/signed/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, place)
    signature = await refer(place, digest, SIGNATURE)
    (files,) = await referrers(place, digest)
    assert (await remove(place, tmp_path)).warnings == ()
    assert not await there(place, files)
    assert await there(place, signature)
    assert await referrers(place, digest, SIGNATURE) == [signature]
    assert await referrers(place, digest) == []


async def test_what_is_only_said_to_be_a_list_stays(
    tmp_path: Path, plain_registry: Running
) -> None:
    """Whoever may push may write that index: it must not lead to the deletion of others' kits."""
    place = f"{plain_registry.host}/trap/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, place)
    (files,) = await referrers(place, digest)
    signature = await refer(place, digest, SIGNATURE, listed_as=FILES)
    assert sorted(await referrers(place, digest)) == sorted([files, signature])
    assert (await remove(place, tmp_path)).warnings == ()
    assert not await there(place, files)
    assert await there(place, signature)
    assert await referrers(place, digest) == [signature]


async def test_a_kit_without_a_list_leaves_the_index_alone(
    tmp_path: Path, plain_registry: Running
) -> None:
    place = f"{plain_registry.host}/unlisted/{tmp_path.name.replace('_', '-')}"
    made = await packed(tmp_path, f"{place}:v1")
    home = tmp_path / "home"
    await aio.push(f"{place}:v1", home=home, network=PLAIN, file_digests=False)
    signature = await refer(place, made.digest, SIGNATURE)
    assert (await remove(place, tmp_path, f"@{made.digest}")).warnings == ()
    assert await referrers(place, made.digest, SIGNATURE) == [signature]


async def test_a_list_that_is_gone_already_is_taken_out_of_the_index(
    tmp_path: Path, plain_registry: Running
) -> None:
    place = f"{plain_registry.host}/gone/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, place)
    (files,) = await referrers(place, digest)
    await remove(place, tmp_path, f"@{files}")
    assert await referrers(place, digest) == [files]
    assert (await remove(place, tmp_path)).warnings == ()
    assert not await there(place, fallback_tag(digest))


@pytest.mark.parametrize("trouble", ["cannot be asked for", "cannot be changed"])
async def test_a_list_that_stays_is_a_warning(
    tmp_path: Path, plain_registry: Running, trouble: str
) -> None:
    repository = f"stays/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, f"{plain_registry.host}/{repository}")
    (files,) = await referrers(f"{plain_registry.host}/{repository}", digest)
    tag = fallback_tag(digest)

    def refused(relay: Relay) -> Callable[[str], int]:
        def status(path: str) -> int:
            if trouble == "cannot be asked for":
                return 403 if "/referrers/" in path else 0
            gone = any(line.startswith("DELETE") for line in relay.server.asked())
            return 403 if gone and path.endswith(tag) else 0

        return status

    async with relaying(plain_registry.host) as relay:
        relay.refuse = refused(relay)
        done = await remove(f"{relay.host}/{repository}", tmp_path)
    (warning,) = done.warnings
    assert (done.digests, done.failures) == ((digest,), ())
    start = "the published digests of single files may still be in the registry: "
    assert warning.startswith(start)
    assert not await there(f"{plain_registry.host}/{repository}", digest)
    assert await there(f"{plain_registry.host}/{repository}", files)


async def test_a_kit_that_cannot_be_deleted_keeps_its_list(
    tmp_path: Path, plain_registry: Running
) -> None:
    repository = f"kept/{tmp_path.name.replace('_', '-')}"
    digest = await pushed(tmp_path, f"{plain_registry.host}/{repository}")
    async with relaying(plain_registry.host) as relay:
        relay.refuse = lambda path: 405 if path.endswith(f"/manifests/{digest}") else 0
        with pytest.raises(errors.RegistryError) as caught:
            await remove(f"{relay.host}/{repository}", tmp_path)
    assert caught.value.status == 405
    assert [line for line in relay.server.asked("DELETE") if digest not in line] == []
    place = f"{plain_registry.host}/{repository}"
    (files,) = await referrers(place, digest)
    assert await there(place, files)
    index = await answer(
        f"http://{plain_registry.host}/v2/{repository}/manifests/{fallback_tag(digest)}", INDEX
    )
    assert json.dumps(index).count(FILES) == 1
