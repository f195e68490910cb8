"""Mirrors: asked first, held to every digest, and left alone where they fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.faults import Fault, FaultyRegistry, always
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, PART, small_parts

from kitfast import aio
from kitfast.errors import InvalidArgument, InvalidReference
from kitfast.registry import Credentials, Registry
from kitfast.registry.mirrors import mirrored
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, Patience, forget_hosts

SIZE = 3 << 20
NOBODY = "127.0.0.1:9"


@pytest.fixture
def own() -> Iterator[FaultyRegistry]:
    """The registry that references name."""
    with FaultyRegistry() as running:
        yield running


@pytest.fixture
def mirror() -> Iterator[FaultyRegistry]:
    """What is asked before it."""
    with FaultyRegistry() as running:
        yield running


@pytest.fixture
async def kit(own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path) -> str:
    """The reference of a kit that both hold."""
    source = folders.shards(tmp_path / "source", 2, SIZE)
    reference = f"{own.host}/some/kit:v1"
    await aio.push(source, reference, home=tmp_path / "ours", network=Network(plain_http=True))
    mirror.blobs.update(own.blobs)
    mirror.manifests.update(own.manifests)
    own.seen.clear()
    forget_hosts()
    return reference


async def pull(kit: str, tmp_path: Path, *mirrors: str, home: str = "theirs") -> aio.Pulled:
    """Pulls through mirrors; the layers' digests are checked once more by unpacking."""
    network = Network(plain_http=True, mirror=mirrors)
    pulled = await aio.pull(kit, home=tmp_path / home, network=network)
    await aio.unpack(kit, tmp_path / "target", remote=False, home=tmp_path / home)
    assert folders.tree(tmp_path / "target") == folders.tree(tmp_path / "source")
    return pulled


async def test_a_mirror_that_has_all_is_all_that_is_asked(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    await pull(kit, tmp_path, mirror.host)
    assert not own.seen and mirror.of("blob") and mirror.of("manifest")


async def test_unpack_from_a_registry_asks_it_too(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    network = Network(plain_http=True, mirror=(mirror.host,))
    target = tmp_path / "target"
    await aio.unpack(kit, target, remote=True, home=tmp_path / "theirs", network=network)
    assert folders.tree(target) == folders.tree(tmp_path / "source") and not own.seen


async def test_a_blob_it_lacks_comes_from_the_registry(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    largest = max(mirror.blobs, key=lambda digest: len(mirror.blobs[digest]))
    del mirror.blobs[largest]
    await pull(kit, tmp_path, mirror.host)
    assert own.sent.keys() == {largest} and own.sent[largest] >= SIZE


async def test_a_kit_it_lacks_comes_from_the_registry(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    mirror.manifests.clear()
    mirror.blobs.clear()
    await pull(kit, tmp_path, mirror.host)
    assert sum(own.sent.values()) > SIZE and not mirror.sent


async def test_they_are_asked_in_order(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    with FaultyRegistry() as empty:
        await pull(kit, tmp_path, NOBODY, empty.host, mirror.host)
        assert empty.of("manifest") and not empty.sent
    assert mirror.sent and not own.seen


async def test_wrong_bytes_are_fetched_again_from_the_registry(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    for digest, data in mirror.blobs.items():
        if len(data) > 4096:
            mirror.blobs[digest] = data[:-1] + bytes([data[-1] ^ 1])
    pulled = await pull(kit, tmp_path, mirror.host)
    assert sum(own.sent.values()) > SIZE
    assert any(mirror.host in warning for warning in pulled.warnings)


async def test_a_manifest_with_another_digest_is_not_believed(
    kit: str, own: FaultyRegistry, mirror: FaultyRegistry, tmp_path: Path
) -> None:
    digest = next(name for name in mirror.manifests if name.startswith("sha256:"))
    media_type, data = mirror.manifests[digest]
    mirror.manifests[digest] = (media_type, data.replace(b"sha256", b"sha512", 1))
    named = f"{kit.rpartition(':')[0]}@{digest}"
    await pull(named, tmp_path, mirror.host)
    assert len(own.of("manifest")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_at=1000),
        Fault(status=500),
        Fault(status=401),
        Fault(shorten=1),
        Fault(lengthen=5),
        Fault(content_range="bytes 0-0/1"),
        Fault(gzip=True),
        Fault(stall_at=1000),
        Fault(wait=3600),
    ],
    ids=["cut", "500", "401", "short", "long", "another range", "gzip", "stalled", "silent"],
)
async def test_one_that_fails_is_left_alone(fault: Fault, tmp_path: Path) -> None:
    forget_hosts()
    patience = Patience(first_byte=0.5, stall=0.5, hedge=60, backoff=0.01, attempts=3)
    limits = small_parts(patience, connections=2, most_connections=2)
    with FaultyRegistry(BLOB) as source, FaultyRegistry(BLOB, script=always(fault)) as bad:
        await through(source, bad.host, tmp_path, limits)
        assert source.sent[BLOB.digest] >= BLOB.size - 2 * PART
        assert len(bad.of("blob")) <= 3


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize(
    "fault",
    [Fault(cut_at=1000), Fault(status=500), Fault(status=404), Fault(stall_at=PART // 2)],
    ids=["cut", "500", "404", "stalled"],
)
async def test_one_that_fails_in_the_middle_of_a_blob_leaves_the_rest_to_the_registry(
    fault: Fault, ranges: bool, tmp_path: Path
) -> None:
    forget_hosts()
    patience = Patience(first_byte=0.5, stall=0.5, hedge=60, backoff=0.01, attempts=3)
    limits = small_parts(patience, connections=2, most_connections=2)
    script = None if ranges else always(Fault(ignore_range=True))
    with (
        FaultyRegistry(BLOB, script=script) as source,
        FaultyRegistry(BLOB, script=lambda seen: fault if seen.number >= 3 else None) as bad,
    ):
        await through(source, bad.host, tmp_path, limits)
        asked = source.of("blob")
        assert 3 <= len(bad.of("blob")) <= 5
    if ranges:
        # What the mirror had sent is not fetched again.
        assert sum(one.end - one.start for one in asked) <= BLOB.size - 3 * PART
    else:
        assert sum(not one.ranged for one in asked) <= 2 and len(asked) <= 4


async def through(source: FaultyRegistry, mirror: str, home: Path, limits: Limits) -> None:
    """Downloads `BLOB` from a registry with one mirror."""
    network, credentials = Network(plain_http=True, mirror=(mirror,)), Credentials(environ={})
    landing = MemoryLanding(BLOB.size)
    own = Registry(source.host, network, credentials)
    async with mirrored(own, home, credentials) as registry:
        await download(registry, "r", BLOB, landing, limits=limits)
    assert landing.holds(BLOB)


@pytest.mark.parametrize(
    "faults",
    [{7: Fault(stall_at=1000)}, {7: Fault(stall_at=1000, stall=1.5), 8: Fault(wait=60)}],
    ids=["the hedge wins", "the hedge loses"],
)
async def test_what_another_request_brought_is_no_mirrors_fault(
    faults: dict[int, Fault], tmp_path: Path
) -> None:
    forget_hosts()
    patience = Patience(stall=60, hedge=0.3, backoff=0.01)
    with (
        FaultyRegistry(BLOB) as source,
        FaultyRegistry(BLOB, script=lambda seen: faults.get(seen.number)) as mirror,
    ):
        network, credentials = Network(plain_http=True, mirror=(mirror.host,)), Credentials()
        own = Registry(source.host, network, credentials)
        async with mirrored(own, tmp_path, credentials) as registry:
            for _ in range(2):
                landing = MemoryLanding(BLOB.size)
                limits = small_parts(patience, connections=2, most_connections=2)
                await download(registry, "r", BLOB, landing, limits=limits)
                assert landing.holds(BLOB)
        assert len(mirror.of("blob")) == 17, "the last part was asked for twice"
        assert not source.seen


async def test_a_full_disk_is_no_mirrors_fault(tmp_path: Path) -> None:
    class Full(MemoryLanding):
        def write(self, offset: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    forget_hosts()
    with FaultyRegistry(BLOB) as source, FaultyRegistry(BLOB) as mirror:
        network, credentials = Network(plain_http=True, mirror=(mirror.host,)), Credentials()
        own = Registry(source.host, network, credentials)
        async with mirrored(own, tmp_path, credentials) as registry:
            with pytest.raises(OSError, match="No space"):
                await download(registry, "r", BLOB, Full(BLOB.size), limits=small_parts())
    assert not source.seen


async def test_a_login_goes_to_its_own_host_alone(tmp_path: Path) -> None:
    forget_hosts()
    with (
        FaultyRegistry(BLOB, token_seconds=60) as source,
        FaultyRegistry(BLOB, script=lambda seen: Fault(status=401)) as mirror,
    ):
        await through(source, mirror.host, tmp_path, small_parts())
        assert source.of("token")
        assert all("Authorization" in seen.headers for seen in source.of("blob"))
        assert mirror.seen
        assert not any("Authorization" in seen.headers for seen in mirror.seen)


def names(entries: tuple[str, ...], home: Path, host: str = "registry.example") -> list[str]:
    """The hosts that are asked for a registry."""
    credentials = Credentials(environ={})
    own = Registry(host, Network(mirror=entries), credentials)
    made = mirrored(own, home, credentials)
    return [one.host for one in getattr(made, "_mirrors", [])]


def test_entries_may_be_for_one_registry(tmp_path: Path) -> None:
    entries = ("registry.example=a", "b", "other.example=c", "b", "registry.example")
    assert names(entries, tmp_path) == ["a", "b"]
    assert names((), tmp_path) == []


def test_a_file_names_them_where_nothing_else_does(tmp_path: Path) -> None:
    told = {"mirrors": {"registry.example": ["a:5000", "http://b"], "*": ["c", "a:5000"]}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    assert names((), tmp_path) == ["a:5000", "b", "c"]
    assert names((), tmp_path, "other.example") == ["c", "a:5000"]
    assert names(("d",), tmp_path) == ["d"]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"mirrors": []}', '{"mirrors": {"*": "a"}}', '{"mirrors": {"*": [1]}}', "\xff"],
)
def test_a_file_that_is_not_understood_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidArgument, match=r"config\.json"):
        names((), tmp_path)


@pytest.mark.parametrize("entry", ["ftp://a", "a b", "https://a/b", "=="])
def test_what_is_no_host_is_refused(tmp_path: Path, entry: str) -> None:
    with pytest.raises((InvalidArgument, InvalidReference)):
        names((entry,), tmp_path)


async def test_a_mirror_never_sees_our_client_certificate() -> None:
    network = Network(cert="c.pem", key="k.pem", mirror=("http://a",))
    own = Registry("registry.example", network, Credentials(environ={}))
    made = mirrored(own, Path("/nowhere"), Credentials(environ={}))
    (mirror,) = made._mirrors  # type: ignore[attr-defined]
    assert (mirror.network.cert, mirror.network.key) == (None, None)
    assert mirror.network.plain_http and not own.network.plain_http
