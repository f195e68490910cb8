"""Unpacking by patterns: single files, also inside of tars, local and remote."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.folders import awkward, tree
from tests.support.registries import Running, plain_registry

from kitfast import aio
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
CASES = [
    ({"include": ["*.txt"], "exclude": ["00", "many/01"]}, "many/", 1900),
    ({"include": ["weights/size-51?"]}, "weights/size-51", 3),
    ({"include": ["README.md", "part.safetensors"]}, "", 2),
    ({"exclude": ["many", "names", "weights"]}, "", 3),
    ({"include": ["nothing-like-this"]}, "", 0),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return awkward(tmp_path_factory.mktemp("awkward"))


def files(out: Path) -> set[str]:
    names = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)) for path in names}


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("remote", [False, True], ids=["store", "registry"])
async def test_only_what_fits_is_written(
    tmp_path: Path, folder: Path, plain_registry: Running, remote: bool, compression: str
) -> None:
    home = tmp_path / "home"
    reference = f"{plain_registry.host}/patterns/kit:{compression}"
    await aio.pack(folder, tags=[reference], compression=compression, home=home)
    await aio.push(reference, home=home, network=PLAIN)
    everything = tree(folder)
    for number, (patterns, start, count) in enumerate(CASES):
        out = tmp_path / f"out-{number}"
        done = await aio.unpack(reference, out, remote=remote, home=home, network=PLAIN, **patterns)
        written = files(out)
        assert (len(written), done.files, done.kept) == (count, count, 0), patterns
        # What fits nothing is most often a slip of the pen.
        assert len(done.warnings) == (not count), patterns
        assert all(name.startswith(start) for name in written)
        found = tree(out)
        assert all(found[name] == everything[name] for name in written if name != "Kitfile")
        assert not list(out.glob(".kitfast-*"))


async def test_layers_without_a_wanted_file_are_not_fetched(
    tmp_path: Path, folder: Path, plain_registry: Running
) -> None:
    home = tmp_path / "home"
    reference = f"{plain_registry.host}/patterns/few:v1"
    await aio.push(folder, reference, home=home, network=PLAIN)
    out = tmp_path / "out"
    done = await aio.unpack(
        reference, out, include=["./names/deep/"], exclude=["weights"], home=home, network=PLAIN
    )
    assert (done.files, done.fetched < 1 << 20) == (0, True)
    first = await aio.unpack(reference, out, include=["names/empty"], home=home, network=PLAIN)
    second = await aio.unpack(
        reference, out, include=["names/executable"], home=home, network=PLAIN
    )
    assert (first.files, second.files) == (1, 1)
    assert files(out) == {"names/empty", "names/executable"}
