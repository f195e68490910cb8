"""Keeps our own credentials: private, in one step, never over what is broken."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path

import pytest

from kitfast.errors import Corrupt, FileError
from kitfast.registry import Credentials

HOST = "registry.test:5000"


async def test_save_and_erase(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    credentials = Credentials(home, environ={"HOME": str(tmp_path)})
    credentials.save(HOST, "user", "wörd:1")
    credentials.save("other.test", "", "a token")
    file = home / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    login = await credentials.lookup(HOST)
    assert login is not None and (login.username, login.password) == ("user", "wörd:1")
    token = await credentials.lookup("other.test")
    assert token is not None and token.identity_token == "a token"
    assert credentials.erase(HOST)
    assert not credentials.erase(HOST)
    assert await credentials.lookup(HOST) is None
    assert await credentials.lookup("other.test") is not None
    assert sorted(path.name for path in home.iterdir()) == ["credentials.json", "credentials.lock"]


def test_erase_where_nothing_was_saved(tmp_path: Path) -> None:
    assert not Credentials(tmp_path / "home", environ={}).erase(HOST)
    assert not (tmp_path / "home").exists()


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{broken")
    with pytest.raises(Corrupt):
        Credentials(tmp_path, environ={}).save(HOST, "user", "word")
    assert path.read_text() == "{broken"


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        Credentials(tmp_path / "file" / "home", environ={}).save(HOST, "user", "word")


def _save(home: Path, number: int) -> None:
    Credentials(home, environ={}).save(f"host{number}.test", "user", "word")


def test_several_who_save_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    savers = [context.Process(target=_save, args=(tmp_path, number)) for number in range(12)]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
        assert saver.exitcode == 0
    document = json.loads((tmp_path / "credentials.json").read_text())
    assert len(document["auths"]) == 12
