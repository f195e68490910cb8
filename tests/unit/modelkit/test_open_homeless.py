"""A file of a registry needs no home, and makes none, where nothing of it is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.registries import Running, plain_registry

import kitfast
from kitfast import errors
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
#: One is read by groups, one is fetched alone.
SIZES = {"m/large.bin": (4 << 20) + 1, "m/small.bin": 300_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "m").mkdir()
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {path: m}\n")
    return folder


@pytest.fixture(scope="module")
def kit(folder: Path, plain_registry: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    reference = f"{plain_registry.host}/homeless/kit:v1"
    kitfast.push(folder, reference, home=tmp_path_factory.mktemp("home"), network=PLAIN)
    return reference


@pytest.fixture(params=["missing", "impossible"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "missing":
        return tmp_path / "home"
    (tmp_path / "file").touch()
    return tmp_path / "file/home"


@pytest.mark.parametrize(
    ("name", "unverified"),
    [("m/large.bin", False), ("m/large.bin", True), ("m/small.bin", True)],
)
def test_what_is_not_kept_needs_no_home(
    folder: Path, kit: str, home: Path, name: str, unverified: bool
) -> None:
    with kitfast.open(kit, name, unverified=unverified, home=home, network=PLAIN) as file:
        assert file.read(300_000) == (folder / name).read_bytes()[:300_000]
    assert not home.exists()
    with pytest.raises(errors.NotFound, match="has no file"):
        kitfast.open(kit, "m/no", unverified=True, home=home, network=PLAIN)
    assert not home.exists()


def test_what_is_kept_makes_the_home(folder: Path, kit: str, home: Path) -> None:
    if not home.parent.is_dir():
        with pytest.raises(errors.FileError, match="file"):
            kitfast.open(kit, "m/small.bin", home=home, network=PLAIN)
        return
    with kitfast.open(kit, "m/small.bin", home=home, network=PLAIN) as file:
        assert file.read() == (folder / "m/small.bin").read_bytes()
        with pytest.raises(errors.InvalidArgument, match="using"):
            kitfast.cache_prune(home=home)
    assert kitfast.cache_prune(home=home).size >= 300_000
