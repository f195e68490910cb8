"""What can be known of a target before anything is fetched into it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kitfast import _core
from kitfast.errors import FileError, NoSpace
from kitfast.modelkit.collide import open_target
from kitfast.modelkit.space import require_space


@pytest.mark.parametrize(
    ("number", "word"), [(errno.EROFS, "read-only"), (errno.EACCES, "this user")]
)
def test_a_folder_that_cannot_be_written_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    def refuse(*_: object) -> None:
        raise FileError("the core's words", errno=number)

    monkeypatch.setattr(_core, "Target", refuse)
    with pytest.raises(FileError, match=f"{tmp_path}: cannot unpack there: .*{word}") as told:
        open_target(tmp_path, "refuse", [], [])
    assert told.value.errno == number and told.value.hint


def test_a_file_where_the_folder_should_be_keeps_the_cores_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError) as told:
        open_target(tmp_path / "file", "refuse", [], [])
    assert "cannot unpack" not in str(told.value)


def test_a_disk_of_no_blocks_does_not_tell_its_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = 0
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_blocks=blocks, f_bavail=0, f_frsize=4096)
    )
    require_space(tmp_path, 1 << 40)
    blocks = 100
    with pytest.raises(NoSpace):
        require_space(tmp_path, 1)
