"""A container with a read-only root and no home: unpacking needs its target alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import PROGRAM, Kitfast
from tests.support.faults import FaultyRegistry
from tests.support.readonly import run_read_only


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that another user can get at, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="kitfast-test-"))
    folder.chmod(0o755)
    (folder / "volume").mkdir()
    yield folder / "volume"
    shutil.rmtree(folder)


@pytest.fixture
def pushed(kitfast: Kitfast, tmp_path: Path) -> Iterator[str]:
    """The reference of a kit; its files are in `tmp_path/source`."""
    folders.shards(tmp_path / "source", 2, 300_000)
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", tmp_path / "source", reference, "--plain-http")
        yield reference


# HOME may be missing, or be a folder nobody has made, or one nobody may write to.
HOMES = {"none": {}, "missing": {"HOME": "/nowhere/at/all"}, "unwritable": {"HOME": "/proc/self"}}


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("verb", ["unpack", "container-init", "container-kserve", "dry-run"])
def test_read_only_root(volume: Path, pushed: str, tmp_path: Path, home: str, verb: str) -> None:
    out = volume / "model"
    words = {
        "unpack": ["unpack", pushed, "--dir", str(out), "--marker", str(volume / "marker")],
        "container-init": ["container-init"],
        "container-kserve": ["container-kserve", f"kit://{pushed}", str(out)],
        "dry-run": ["unpack", pushed, "--dry-run"],
    }[verb]
    environment = {"PATH": os.defpath, "KITFAST_PLAIN_HTTP": "true"} | HOMES[home]
    if verb == "container-init":
        filters = "model,docs,kitfile"
        environment |= {"MODELKIT_REF": pushed, "UNPACK_PATH": str(out), "UNPACK_FILTER": filters}
    done = run_read_only(volume, [str(PROGRAM), *words], environment, volume)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower(), done.stderr
    if verb == "dry-run":
        assert not list(volume.iterdir())
        return
    assert folders.tree(out) == folders.tree(tmp_path / "source")
    expected = {"model", "marker"} if verb == "unpack" else {"model"}
    assert {path.name for path in volume.iterdir()} == expected


def test_the_root_is_read_only(volume: Path) -> None:
    script = f"touch {volume}/here && ! touch /tmp/there && ! touch /dev/shm/there"
    tried = run_read_only(volume, ["sh", "-c", script], {"PATH": os.defpath}, volume)
    assert tried.returncode == 0, tried.stderr
    assert (volume / "here").exists()


def test_nothing_is_written_elsewhere(pushed: str, tmp_path: Path) -> None:
    user, out = Kitfast(tmp_path / "third"), tmp_path / "out"
    # No home is named: the default one would be below the user's.
    user.run("unpack", pushed, "--plain-http", "--dir", out, extra={"KITFAST_HOME": ""})
    assert folders.tree(out) == folders.tree(tmp_path / "source")
    assert not list(user.user.iterdir()) and not user.home.exists()


def test_a_store_that_may_only_be_read_serves_what_is_in_it(
    volume: Path, kitfast: Kitfast, pushed: str, tmp_path: Path
) -> None:
    # Another user's store, or a volume that many pods mount, with another kit in it.
    kitfast.run("pack", tmp_path / "source", "--tag", "kit:v1")
    home = volume.parent / "home"
    shutil.copytree(kitfast.home, home)
    before = folders.tree(home)
    environment = {"PATH": os.defpath, "KITFAST_HOME": str(home), "KITFAST_PLAIN_HTTP": "true"}

    def run(*words: str) -> str:
        done = run_read_only(volume, [str(PROGRAM), *words], environment, volume)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    for reference in (pushed, "kit:v1"):
        out = volume / reference.partition(":")[0]
        run("unpack", reference, "--dir", str(out))
        assert folders.tree(out) == folders.tree(tmp_path / "source")
    assert "kit" in run("list") and "1 kit" in run("cache", "info")
    assert "none damaged" in run("cache", "verify")
    assert "shard" in run("info", "kit:v1") and '"digest"' in run("inspect", "kit:v1")
    words = [str(PROGRAM), "tag", "kit:v1", "kit:v2"]
    failed = run_read_only(volume, words, environment, volume)
    assert failed.returncode == 1 and str(home) in failed.stderr, failed.stderr
    assert folders.tree(home) == before


def test_looking_at_a_home_that_cannot_be_made_finds_nothing(volume: Path) -> None:
    environment = {"PATH": os.defpath, "HOME": "/nowhere/at/all"}
    for words, found in ((["list"], "REPOSITORY"), (["cache", "info"], "0 kits")):
        done = run_read_only(volume, [str(PROGRAM), *words], environment, volume)
        assert done.returncode == 0, done.stderr
        assert found in done.stdout
