"""Which files make an authority that is trusted, and which are told of as none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from kitfast.errors import FileError, InvalidArgument, KitfastError
from kitfast.registry import tls
from kitfast.settings import Network


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the system's authorities out of what is counted."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)


def trusted(path: Path | str) -> int:
    made = tls.context(Network(tls_cert=(str(path),)), with_identity=False)
    return made.cert_store_stats()["x509"]


def refused(path: Path | str) -> KitfastError:
    with pytest.raises(KitfastError) as caught:
        trusted(path)
    assert f"--tls-cert {path}: " in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["c.pem", "c.crt", "C.PEM"])
def test_a_folder(name: str, authority: Authority, tmp_path: Path) -> None:
    shutil.copy(authority.pair.cert, tmp_path / name)
    (tmp_path / "folder.pem").mkdir()
    os.mkfifo(tmp_path / "pipe.pem")
    assert trusted(tmp_path) == 1


def test_a_folder_of_hashed_names(authority: Authority, tmp_path: Path) -> None:
    shutil.copy(authority.pair.cert, tmp_path / "01234567.0")
    trusted(tmp_path)


def test_a_folder_with_a_certificate_beside_its_key(authority: Authority, tmp_path: Path) -> None:
    shutil.copy(authority.pair.cert, tmp_path / "ca.crt")
    shutil.copy(authority.pair.key, tmp_path / "key.pem")
    assert trusted(tmp_path) == 1


def test_folders_without_a_certificate(authority: Authority, tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert isinstance(error, InvalidArgument) and "*.pem" in str(error.hint)
    shutil.copy(authority.pair.key, tmp_path / "k.pem")
    shutil.copy(authority.pair.cert, tmp_path / "ca.txt")
    (tmp_path / "01234567.0").write_text("nonsense")
    assert "k.pem: no certificate in PEM format" in str(refused(tmp_path).hint)


def test_files_without_a_certificate(authority: Authority, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (empty, authority.pair.key, Path("/etc/passwd")):
        error = refused(path)
        assert isinstance(error, InvalidArgument) and "DER" in str(error.hint)
    assert isinstance(refused(tmp_path / "missing.pem"), FileError)
    assert isinstance(refused(""), FileError), "never the folder where one happens to be"


def test_the_same_authority_twice(authority: Authority) -> None:
    path = str(authority.pair.cert)
    made = tls.context(Network(tls_cert=(path, path)), with_identity=False)
    assert made.cert_store_stats()["x509"] == 1


async def test_what_comes_through_a_pipe_is_left_for_the_context(authority: Authority) -> None:
    reads, writes = os.pipe()
    os.write(writes, authority.pair.cert.read_bytes())
    os.close(writes)
    try:
        path = f"/dev/fd/{reads}"
        await tls.check(Network(tls_cert=(path,)))
        assert trusted(path) == 1
    finally:
        os.close(reads)
