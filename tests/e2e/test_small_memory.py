"""Little memory, page cache included: an unpack of far more ends well, and fast."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.cgroups import memory_limit
from tests.support.commands import Kitfast
from tests.support.registries import Running

SIZE = 192 << 20
LIMIT = 96 << 20
#: By the limit, in bytes. Where memory is no concern, many slow connections may take more
#: of it, and hold together what kitfast promises; all of the layers would not fit in that.
MOST_ANONYMOUS = {LIMIT: 80 << 20, None: 200 << 20}


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on a real disk: the pages of a tmpfs are memory that nobody can take back."""
    for place in (Path(tempfile.gettempdir()), Path("/var/tmp")):
        if file_system(place) not in ("tmpfs", "ramfs", ""):
            folder = Path(tempfile.mkdtemp(prefix="kitfast-test-", dir=place))
            yield folder
            shutil.rmtree(folder)
            return
    pytest.skip("needs a folder on a disk")


def file_system(place: Path) -> str:
    """The kind of the file system that a folder is on."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    kinds = {fields[1]: fields[2] for fields in map(str.split, mounts.read_text().splitlines())}
    around = [str(folder) for folder in (place.resolve(), *place.resolve().parents)]
    return next((kinds[folder] for folder in around if folder in kinds), "")


@pytest.mark.parametrize("compression", ["none", "gzip-fastest"])
def test_unpack_remote(
    kitfast: Kitfast,
    other: Kitfast,
    plain_registry: Running,
    disk: Path,
    tmp_path: Path,
    compression: str,
) -> None:
    source = folders.shards(tmp_path / "source", 2, SIZE // 2)
    reference = f"{plain_registry.host}/memory/{compression}:v1"
    kitfast.run("pack", source, "--tag", reference, "--compression", compression)
    kitfast.run("push", reference, "--plain-http")
    # With a marker both end when all is on the disk: memory is no head start.
    words = ("unpack", reference, "--plain-http", "--marker")
    seconds: dict[int | None, float] = {}
    for limit, most in MOST_ANONYMOUS.items():
        target = disk / f"target-{limit}"
        with memory_limit(limit) as group:
            done = other.run(*words, disk / "marker", "--dir", target, before=group.enter)
            assert group.kills() == 0
            assert 0 < group.peak_anonymous < most
        seconds[limit] = done.seconds
        assert folders.tree(target) == folders.tree(source)
        shutil.rmtree(target)
        (disk / "marker").unlink()
    print({limit: f"{taken:.2f} s" for limit, taken in seconds.items()})
    # Nearly alike on a quiet machine; other work on it comes and goes.
    assert seconds[LIMIT] < 2 * (seconds[None] or 0) + 5
