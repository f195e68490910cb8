"""Resolving references to folders: once a node, shared, and also offline."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.faults import Fault, FaultyRegistry, always
from tests.support.folders import shards, tree
from tests.support.registries import Running, plain_registry, running

from kitfast import aio, errors
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def test_a_kit_is_fetched_once_and_stays(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "folder", 2, 1 << 20)
    target = f"{plain_registry.host}/resolve/once:v1"
    pushed = await aio.push(folder, target, home=home, network=PLAIN)
    first = await aio.resolve(f"oci://{target}", home=home, network=PLAIN)
    assert (first.digest, first.fetched) == (pushed.digest, pushed.size)
    assert tree(Path(first)) == tree(folder)
    again = await aio.resolve(target, home=home, network=PLAIN)
    assert (again.path, again.fetched) == (first.path, 0)
    docs = await aio.resolve(target, filters=["docs"], home=home, network=PLAIN)
    assert [path.name for path in Path(docs).iterdir()] == ["README.md"]
    gone = await aio.forget(target, home=home, network=PLAIN)
    assert set(gone.paths) == {first.path, docs.path}
    assert not any(Path(path).exists() for path in gone.paths)
    assert (await aio.resolve(target, home=home, network=PLAIN)).fetched == pushed.size


async def test_a_moved_tag_is_another_folder(
    tmp_path: Path, home: Path, plain_registry: Running
) -> None:
    target = f"{plain_registry.host}/resolve/moved:v1"
    await aio.push(shards(tmp_path / "a", 1, 1000), target, home=home, network=PLAIN)
    first = await aio.resolve(target, home=home, network=PLAIN)
    await aio.push(shards(tmp_path / "b", 2, 1000), target, home=home, network=PLAIN)
    second = await aio.resolve(target, home=home, network=PLAIN)
    assert first.path != second.path
    assert tree(Path(first)) == tree(tmp_path / "a")
    assert tree(Path(second)) == tree(tmp_path / "b")


async def test_without_its_registry_a_tag_is_what_it_was(tmp_path: Path, home: Path) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    with running(root) as registry:
        target = f"{registry.host}/resolve/offline:v1"
        folder = shards(tmp_path / "folder", 1, 1000)
        await aio.push(folder, target, home=home, network=PLAIN)
        known = await aio.resolve(target, home=home, network=PLAIN)
    again = await aio.resolve(target, home=home, network=PLAIN)
    assert (again.path, again.digest, again.fetched) == (known.path, known.digest, 0)
    (warning,) = again.warnings
    assert warning.endswith(f"stands for what it stood for last, {known.digest}")
    other = target.replace(":v1", ":v2")
    with pytest.raises(errors.ConnectionFailed):
        await aio.resolve(other, home=home, network=PLAIN)


@pytest.mark.parametrize("status", [502, 503, 504, 500, 403, 404])
async def test_a_gateway_that_answers_for_its_registry_is_no_answer(
    tmp_path: Path, home: Path, status: int
) -> None:
    folder = shards(tmp_path / "folder", 1, 1000)
    with FaultyRegistry() as registry:
        target = f"{registry.host}/some/kit:v1"
        await aio.push(folder, target, home=home, network=PLAIN)
        known = await aio.resolve(target, home=home, network=PLAIN)
        registry.script = always(Fault(status=status, headers={"Retry-After": "0"}))
        if status in (502, 503, 504):
            again = await aio.resolve(target, home=home, network=PLAIN)
            assert (again.path, again.fetched, len(again.warnings)) == (known.path, 0, 1)
            (gone,) = (await aio.forget(target, home=home, network=PLAIN)).paths
            assert gone == known.path
        with pytest.raises(errors.RegistryError):
            await aio.resolve(target, home=home, network=PLAIN)


async def test_a_kit_of_the_store_needs_no_registry(tmp_path: Path, home: Path) -> None:
    folder = shards(tmp_path / "folder", 1, 1000)
    packed = await aio.pack(folder, tags=["small:v1"], home=home)
    found = await aio.resolve("small:v1", home=home)
    assert (found.digest, found.fetched) == (packed.digest, 0)
    assert tree(Path(found)) == tree(folder)
    with pytest.raises(errors.NotFound):
        await aio.resolve("small:v2", home=home)
    with pytest.raises(errors.InvalidArgument, match="several tags"):
        await aio.resolve("small:v1,v2", home=home)


def test_several_processes_fetch_it_once(tmp_path: Path, plain_registry: Running) -> None:
    kitfast = Kitfast(tmp_path)
    folder = shards(tmp_path / "folder", 2, 4 << 20)
    target = f"{plain_registry.host}/resolve/several:v1"
    kitfast.run("push", str(folder), target, "--plain-http")

    def resolve(_: int) -> dict[str, object]:
        words = ("resolve", target, "--plain-http", "--format", "json", "--progress", "none")
        found: dict[str, object] = json.loads(kitfast.run(*words).stdout)
        return found

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(resolve, range(4)))
    assert len({one["path"] for one in found}) == 1
    fetched = [one["fetched"] for one in found]
    assert sorted(fetched)[:3] == [0, 0, 0]
    assert max(fetched) > 8 << 20  # type: ignore[type-var, operator]
    assert tree(Path(os.fspath(str(found[0]["path"])))) == tree(folder)
    shown = kitfast.run("resolve", f"oci://{target}", "--plain-http").stdout
    assert shown == f"{found[0]['path']}\n"
    gone = kitfast.run("resolve", "--forget", target, "--plain-http").stdout
    assert gone == f"Removed {found[0]['path']}\n"
