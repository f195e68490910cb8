"""Tests the walk where kit loses files: links, special files, staging folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kitfast.errors import FileError, InvalidKitfile, NotFound
from kitfast.kitfile.model import Code, Kitfile, Model
from kitfast.modelkit import walk
from kitfast.modelkit.layers import PlannedLayer, plan


def of_code(*paths: str) -> Kitfile:
    return Kitfile(code=tuple(Code(path=path) for path in paths))


def names(layer: PlannedLayer) -> list[str]:
    return [name for name, _, _ in layer.members]


def test_link_as_an_entry_is_followed_on_request(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "abc").write_bytes(b"weights")
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "model.bin").symlink_to("../blobs/abc")
    kitfile = Kitfile(model=Model(path="model.bin"))
    with pytest.raises(InvalidKitfile, match=r"model model\.bin: .* is a symbolic link") as caught:
        plan(folder, kitfile)
    assert "--follow-links" in str(caught.value.hint)
    (layer,) = plan(folder, kitfile, follow_links=True)
    assert layer.members == [("model.bin", str(blobs / "abc"), 0o644)]
    assert layer.size == 7
    assert layer.single_file == layer.members[0]


def test_links_in_a_folder_are_skipped_or_followed(tmp_path: Path) -> None:
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x").write_bytes(b"x")
    (tmp_path / "src/file").symlink_to("../other/x")
    (tmp_path / "src/folder").symlink_to("../other")
    (layer,) = plan(tmp_path, of_code("src"))
    assert names(layer) == ["src/", "src/deep/"]
    assert [skipped.name for skipped in layer.skipped] == ["src/file", "src/folder"]
    (layer,) = plan(tmp_path, of_code("src"), follow_links=True)
    assert names(layer) == ["src/", "src/deep/", "src/file", "src/folder/", "src/folder/x"]
    assert layer.skipped == []


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/again").symlink_to("..")
    with pytest.raises(InvalidKitfile, match="src/again/src"):
        plan(tmp_path, of_code("src"), follow_links=True)


def test_broken_link_is_an_error_when_followed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/gone").symlink_to("nowhere")
    assert names(plan(tmp_path, of_code("src"))[0]) == ["src/"]
    with pytest.raises(NotFound, match="nowhere"):
        plan(tmp_path, of_code("src"), follow_links=True)


def test_link_on_the_way_to_an_entry_is_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/m").write_bytes(b"m")
    (tmp_path / "alias").symlink_to("real")
    with pytest.raises(InvalidKitfile, match="alias is a symbolic link"):
        plan(tmp_path, of_code("alias/m"))
    (layer,) = plan(tmp_path, of_code("alias/m"), follow_links=True)
    assert names(layer) == ["alias/", "alias/m"]


def test_special_files_are_skipped_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    os.mkfifo(tmp_path / "src/pipe")
    (layer,) = plan(tmp_path, of_code("src"))
    assert [str(skipped) for skipped in layer.skipped] == ["src/pipe: neither a file nor a folder"]
    with pytest.raises(InvalidKitfile, match="neither a file nor a folder"):
        plan(tmp_path, of_code("src/pipe"))


def test_staging_folders_and_kitfiles_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".kitfast-7f").mkdir()
    (tmp_path / ".kitfast-7f/part").write_bytes(b"half")
    for name in ("Kitfile", "kitfile", ".kitfile", ".kitignore", "a"):
        (tmp_path / name).write_bytes(b"")
    (layer,) = plan(tmp_path, of_code("."))
    assert names(layer) == ["a"]
    assert layer.skipped == []


def test_name_hidden_only_by_its_beginning_is_told(tmp_path: Path) -> None:
    for folder in ("src", "src2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"")
    whole, part = plan(tmp_path, of_code(".", "src"))
    assert names(whole) == ["b"]
    assert names(part) == ["src/", "src/a"]
    assert [skipped.name for skipped in whole.skipped] == ["src2"]


def test_order_is_by_the_bytes_of_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/z", "a.b", "B", "a-b", "é"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    (layer,) = plan(tmp_path, of_code("."))
    assert [os.fsencode(name) for name in names(layer)] == [
        b"B", b"a/", b"a/z", b"a-b", b"a.b", "é".encode(), b"\xff",
    ]  # fmt: skip


def test_two_dots_in_a_name_lose_no_file(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/weights..bin").write_bytes(b"w")
    assert names(plan(tmp_path, of_code("m"))[0]) == ["m/", "m/weights..bin"]


def test_folder_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(1200):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    (layer,) = plan(tmp_path, of_code("."))
    assert len(layer.members) == 1200
    # By hand: what cleans up after tests is not prepared for this depth.
    for folder in reversed(folders[1:]):
        folder.rmdir()


def test_unreadable_file_stops_before_anything_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/secret").write_bytes(b"s")
    real = os.access

    def refusing(path: str, mode: int, **options: bool) -> bool:
        return not path.endswith("secret") and real(path, mode, **options)

    # Root may read everything, so the refusal is played.
    monkeypatch.setattr(walk.os, "access", refusing)
    with pytest.raises(FileError, match=r"code src: cannot read src/secret"):
        plan(tmp_path, of_code("src"))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    for number in range(5):
        (tmp_path / f"src/{number}").write_bytes(b"")
    monkeypatch.setattr(walk, "MAX_MEMBERS", 4)
    with pytest.raises(InvalidKitfile, match="more than 4"):
        plan(tmp_path, of_code("src"))


def test_empty_folder_has_a_layer_but_an_empty_root_has_none(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert names(plan(tmp_path, of_code("nothing"))[0]) == ["nothing/"]
    with pytest.raises(InvalidKitfile, match="holds nothing"):
        plan(tmp_path / "nothing", of_code("."))
    (layer,) = plan(tmp_path / "nothing", of_code("."), allow_empty=True)
    assert layer.members == []
    with pytest.raises(NotFound, match="is not a folder"):
        plan(tmp_path / "gone", of_code("."))


def test_bad_kitignore_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / ".kitignore").write_text("*.log\n[a\n")
    with pytest.raises(InvalidKitfile, match=r"\.kitignore:2"):
        plan(tmp_path, of_code("."))
