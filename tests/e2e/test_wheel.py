"""Installs the built wheel where there is no Rust, and packs and unpacks with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "runtime.txt"
KITFILE = "manifestVersion: '1.0'\nmodel:\n  path: weights.bin\n"
WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The wheel of `make wheel`, which builds only when something changed."""
    # An outer make must not hand its job server to this one.
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    subprocess.run(["make", "wheel"], cwd=ROOT, env=environment, check=True, capture_output=True)
    (found,) = (ROOT / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty virtual environment with the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("wheel") / "venv"
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
    for what in (["--require-hashes", "--requirement", str(LOCK)], [str(wheel)]):
        subprocess.run([*pip, *what], env=bare(folder / "bin"), check=True)
    return folder / "bin"


def bare(bin_folder: Path) -> dict[str, str]:
    """An environment without Rust, without this checkout, and with an empty home."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    return kept | {"PATH": str(bin_folder), "HOME": str(bin_folder.parent)}


def test_wheel_is_for_every_python(wheel: Path) -> None:
    assert "-cp310-abi3-" in wheel.name


def test_core_comes_from_the_wheel(installed: Path) -> None:
    assert shutil.which("cargo", path=bare(installed)["PATH"]) is None
    where = run(installed, "python", "-c", "import kitfast._core as core; print(core.__file__)")
    assert where.startswith(str(installed.parent))


def test_installed_kitfast_packs_and_unpacks(installed: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "Kitfile").write_text(KITFILE)
    (source / "weights.bin").write_bytes(WEIGHTS)
    home = ["--config", str(tmp_path / "home")]
    assert "0." in run(installed, "kitfast", "version")
    run(installed, "kitfast", *home, "pack", str(source), "--tag", "mine:v1")
    run(installed, "kitfast", *home, "unpack", "mine:v1", "--dir", str(target))
    assert (target / "weights.bin").read_bytes() == WEIGHTS


def run(folder: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [folder / program, *arguments],
        env=bare(folder),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
