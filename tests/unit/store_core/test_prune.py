"""Removing and pruning: what is kept stays whole, the rest goes."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from kitfast import errors
from kitfast._core import LayerSource, Meter, Store


def layer(path: Path, data: bytes) -> LayerSource:
    path.write_bytes(data)
    return LayerSource([(path.name, str(path), 0o644)])


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_prune_keeps_what_is_wanted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(home)
    shared, alone = os.urandom(100_000), os.urandom(200_000)
    first, second, third = store.pack(
        [
            layer(tmp_path / "a", shared),
            layer(tmp_path / "b", shared),
            layer(tmp_path / "c", alone),
        ]
    )
    assert len(files(home / "contents")) == 2
    (home / "contents/tmp/.tmp-1-2-3").write_bytes(bytes(5_000))
    (home / "recipes/sha256/.tmp-1-2-3").write_bytes(b"x")
    freed = store.prune([second.digest])
    assert freed >= 200_000
    assert store.digests() == [second.digest]
    assert store.size(first.digest) is None
    assert store.size(third.digest) is None
    store.verify(second.digest)
    assert len(files(home / "contents")) == 1
    assert len(files(home / "recipes")) == 1
    assert store.prune([second.digest]) == 0
    store.prune([])
    assert store.digests() == []
    assert files(home / "contents") == set()


def test_chaining_values_go_with_their_content(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(home)
    kept, other = store.pack(
        [layer(tmp_path / "a", os.urandom(5 << 20)), layer(tmp_path / "b", os.urandom(6 << 20))]
    )
    assert sum(path.suffix == ".groups" for path in files(home / "contents")) == 2
    store.prune([kept.digest])
    meter = Meter()
    (member,) = store.blob(kept.digest).members(meter)
    assert (len(member[-1]), meter.done) == (64, 0)
    assert len(files(home / "contents")) == 2
    assert store.size(other.digest) is None


def test_a_recipe_that_cannot_be_read_keeps_all_contents(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = Store(home)
    one, two = store.pack(
        [layer(tmp_path / "a", os.urandom(99_999)), layer(tmp_path / "b", os.urandom(99_998))]
    )
    recipe = home / "recipes/sha256" / one.digest.removeprefix("sha256:")
    recipe.write_bytes(recipe.read_bytes()[:-1])
    store.prune([one.digest, two.digest])
    assert len(files(home / "contents")) == 2


def test_a_hold_keeps_a_prune_waiting(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    meter = Meter()
    done = threading.Event()

    def prune() -> None:
        with contextlib.suppress(errors.Cancelled):
            store.prune(list, meter)
            done.set()

    with store.hold():
        thread = threading.Thread(target=prune)
        thread.start()
        digest = store.put(b"config")
        assert not done.wait(0.2)
        assert store.size(digest) == 6
    thread.join(10)
    assert done.is_set()
    assert store.digests() == []


def test_what_a_prune_raises_frees_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    digest = store.put(b"config")

    def broken() -> list[str]:
        raise KeyError("manifest")

    with pytest.raises(KeyError):
        store.prune(broken)
    assert store.prune([digest]) == 0
    assert store.digests() == [digest]


def test_remove_forgets_the_blob_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    digest = store.put(b"config")
    assert store.size(digest) == 6
    store.remove(digest)
    assert store.size(digest) is None
    with pytest.raises(errors.NotFound):
        store.remove(digest)
    with pytest.raises(errors.NotFound):
        store.blob(digest)
    with pytest.raises(errors.NotFound):
        store.verify(digest)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../x", "sha512:" + "0" * 64])
def test_digests_are_checked_before_they_become_paths(tmp_path: Path, digest: str) -> None:
    store = Store(tmp_path / "home")
    for call in (store.size, store.blob, store.remove, store.verify):
        with pytest.raises(errors.InvalidArgument):
            call(digest)
