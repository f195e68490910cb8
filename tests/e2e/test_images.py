"""The images of `make images`, run by an engine as a cluster would run them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.commands import Kitfast
from tests.support.folders import shards, tree
from tests.support.registries import Running

pytestmark = pytest.mark.images

MIB = 1 << 20
ENGINE = shlex.split(os.environ.get("ENGINE", ""))
# Each of them what a careful cluster asks for; the network is where the registry is.
LOCKED_DOWN = (
    *("--rm", "--network", "host", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--env", "KITFAST_PLAIN_HTTP=true"),
)


def engine(*words: str) -> subprocess.CompletedProcess[str]:
    if not ENGINE:
        pytest.skip("needs podman or docker on PATH")
    return subprocess.run([*ENGINE, *words], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Volume:
    """A folder that anybody may write to, mounted at `/model`."""

    path: Path

    def command(
        self, image: str, *words: str, flags: Sequence[str] = (), **variables: str
    ) -> list[str]:
        """What to tell the engine, without the engine."""
        given = [word for pair in variables.items() for word in ("--env", "=".join(pair))]
        where = ("--volume", f"{self.path}:/model")
        return ["run", *LOCKED_DOWN, *where, *given, *flags, f"localhost/{image}", *words]

    def run(
        self, image: str, *words: str, flags: Sequence[str] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of our images to its end, which must be a good one."""
        if engine("image", "inspect", f"localhost/{image}").returncode != 0:
            pytest.skip(f"needs the image localhost/{image} (`make images` builds it)")
        done = engine(*self.command(image, *words, flags=flags, **variables))
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    path = tmp_path / "volume"
    path.mkdir()
    path.chmod(0o777)
    return Volume(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shards(tmp_path / "folder", 2, 16 * MIB)


@pytest.fixture
def kit(tmp_path: Path, kitfast: Kitfast, folder: Path, plain_registry: Running) -> str:
    """The reference of a kit in a registry; its files are in `folder`."""
    reference = f"{plain_registry.host}/images/{tmp_path.name}:v1".lower()
    kitfast.run("push", folder, reference, "--plain-http")
    return reference


# A cluster may run an image as a user that its password file does not know.
@pytest.mark.parametrize("user", [None, "123456:0"])
def test_init_unpacks_as_any_user_and_again(
    volume: Volume, folder: Path, kit: str, user: str | None
) -> None:
    flags = ["--user", user] if user else []
    told = {"MODELKIT_REF": kit, "UNPACK_PATH": "/model/one"}
    told |= {"EXTRA_FLAGS": "--overwrite --marker /model/.complete"}
    first = volume.run("kitfast-init", flags=flags, **told)
    assert "of 1 files and layers done" in first.stderr
    assert tree(volume.path / "one" / "shards") == tree(folder / "shards")
    marker = volume.path / ".complete"
    assert json.loads(marker.read_text())["digest"] in first.stdout
    before = marker.stat()
    volume.run("kitfast-init", flags=flags, **told)
    assert marker.stat().st_mtime_ns == before.st_mtime_ns


def test_init_needs_little_memory(
    tmp_path: Path, volume: Volume, kitfast: Kitfast, plain_registry: Running
) -> None:
    folder = shards(tmp_path / "large", 2, 192 * MIB)
    reference = f"{plain_registry.host}/images/large:v1"
    kitfast.run("push", folder, reference, "--plain-http")
    limit = ["--memory", "128m"]
    volume.run("kitfast-init", flags=limit, MODELKIT_REF=reference, UNPACK_PATH="/model/large")
    assert tree(volume.path / "large" / "shards") == tree(folder / "shards")


def test_kserve_unpacks_everything(volume: Volume, folder: Path, kit: str) -> None:
    volume.run("kitfast-kserve", f"kit://{kit}", "/model/all")
    assert tree(volume.path / "all") == tree(folder)


def test_a_container_that_is_stopped_ends_soon_and_goes_on_later(
    tmp_path: Path, volume: Volume, folder: Path, kit: str
) -> None:
    volume.run("kitfast", "version")
    words = ("unpack", kit, "--dir", "/model/slow")
    name = f"kitfast-test-{os.getpid()}"
    slow = volume.command("kitfast", *words, "--max-rate", "4M", flags=("--name", name))
    with (tmp_path / "log").open("w+") as log:
        child = subprocess.Popen([*ENGINE, *slow], stdout=log, stderr=log)
        staging = volume.path / "slow" / ".kitfast-staging"
        end = time.monotonic() + 30
        while not staging.exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(2)
        begun = time.monotonic()
        engine("stop", "--time", "20", name)
        assert child.wait(30) == 143
        # An engine that gets no answer to its first signal waits all of its 20 s.
        assert time.monotonic() - begun < 10
        log.seek(0)
        assert "the same command goes on from there" in log.read()
    done = volume.run("kitfast", *words, "--output", "json")
    assert tree(volume.path / "slow") == tree(folder)
    fetched = json.loads(done.stdout)["fetched"]
    assert fetched < 32 * MIB
    assert not staging.exists()


def test_init_unpacks_what_is_signed_and_nothing_else(
    tmp_path: Path, volume: Volume, kitfast: Kitfast, folder: Path, kit: str
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    keys.chmod(0o777)
    flags = ["--volume", f"{keys}:/keys", "--workdir", "/keys", "--env", "COSIGN_PASSWORD="]
    cosign = [*flags, "--entrypoint", "cosign"]
    volume.run("kitfast-init", "generate-key-pair", flags=cosign)
    told = {"MODELKIT_REF": kit, "UNPACK_PATH": "/model/signed", "COSIGN_KEY": "/keys/cosign.pub"}
    told |= {"COSIGN_FLAGS": "--insecure-ignore-tlog"}
    unsigned = engine(*volume.command("kitfast-init", flags=flags, **told))
    assert unsigned.returncode == 1 and "no signatures found" in unsigned.stderr
    assert not (volume.path / "signed").exists()
    inspected = kitfast.run("inspect", "--remote", kit, "--plain-http").stdout
    exact = f"{kit.removesuffix(':v1')}@{json.loads(inspected)['digest']}"
    signing = ("--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry")
    volume.run(
        *("kitfast-init", "sign", "--key", "/keys/cosign.key", "--yes", *signing, exact),
        flags=cosign,
    )
    volume.run("kitfast-init", flags=flags, **told)
    assert tree(volume.path / "signed" / "shards") == tree(folder / "shards")
