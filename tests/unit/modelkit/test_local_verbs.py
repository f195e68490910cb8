"""The verbs that need no registry: pack, list, tag, info, inspect, unpack, remove."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kitfast
from kitfast import aio, errors

KITFILE = """manifestVersion: "1.0"
package: {name: small, authors: [Ann]}
model: {path: model.bin}
docs: [{path: README.md}]
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "Kitfile").write_text(KITFILE)
    (folder / "model.bin").write_bytes(os.urandom(100_000))
    (folder / "README.md").write_text("# small\n")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def test_a_kit_goes_in_and_comes_out(model: Path, home: Path, tmp_path: Path) -> None:
    events: list[kitfast.Progress] = []
    packed = await aio.pack(model, tags=["a:v1,v2"], home=home, progress=events.append)
    assert packed.references == ("a:v1", "a:v2")
    assert events[-1].finished
    done = await aio.unpack("a:v2", tmp_path / "out", home=home, progress=events.append)
    assert (done.digest, done.files, done.remote) == (packed.digest, 3, False)
    assert (tmp_path / "out" / "model.bin").read_bytes() == (model / "model.bin").read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "Kitfile",
        "README.md",
        "model.bin",
    }


async def test_packing_again_gives_the_same_digest(model: Path, home: Path) -> None:
    first = await aio.pack(model, home=home)
    os.utime(model / "model.bin", (1, 1))
    second = await aio.pack(model, home=home, cache=False)
    assert first.digest == second.digest
    (summary,) = await aio.list_kits(home=home)
    assert (summary.repository, summary.tags, summary.author) == ("", (), "Ann")


async def test_tags_go_one_by_one_and_the_kit_with_the_last(model: Path, home: Path) -> None:
    packed = await aio.pack(model, tags=["r.example:5000/a/b:v1"], home=home)
    tagged = await aio.tag("r.example:5000/a/b:v1", "other:x", home=home)
    assert tagged.digest == packed.digest
    assert (await aio.info(packed.digest, home=home)).package.name == "small"
    first = await aio.remove("r.example:5000/a/b:v1", home=home)
    assert first.references == ("r.example:5000/a/b:v1",)
    assert (await aio.inspect("other:x", home=home)).cli_version == kitfast.version().version
    last = await aio.remove("other:x", home=home)
    assert last.freed is not None and last.freed >= 100_000
    assert await aio.list_kits(home=home) == []
    assert (await aio.cache_verify(home=home)).blobs == 0


async def test_remove_all_takes_the_nameless_and_with_force_the_rest(
    model: Path, home: Path
) -> None:
    await aio.pack(model, home=home)
    await aio.pack(model, tags=["a:v1"], home=home)
    await aio.remove(all=True, home=home)
    assert [kit.repository for kit in await aio.list_kits(home=home)] == ["a"]
    await aio.remove(all=True, force=True, home=home)
    assert await aio.list_kits(home=home) == []


async def test_what_is_not_there_is_told(model: Path, home: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="nothere:latest"):
        await aio.unpack("nothere", tmp_path / "out", home=home)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileNotFoundError):
        await aio.remove("a:v1", home=home)
    with pytest.raises(errors.InvalidArgument, match="reference or --all"):
        await aio.remove(home=home)
    with pytest.raises(errors.InvalidKitfile, match="has no Kitfile"):
        await aio.pack(tmp_path, home=home)


async def test_existing_files_are_refused_kept_or_replaced(
    model: Path, home: Path, tmp_path: Path
) -> None:
    await aio.pack(model, tags=["a"], home=home)
    out = tmp_path / "out"
    await aio.unpack("a", out, home=home)
    (out / "model.bin").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        await aio.unpack("a", out, home=home)
    kept = await aio.unpack("a", out, ignore_existing=True, home=home)
    assert kept.kept >= 1
    assert (out / "model.bin").read_bytes() == b"mine"
    await aio.unpack("a", out, overwrite=True, home=home)
    assert (out / "model.bin").read_bytes() == (model / "model.bin").read_bytes()


async def test_filters_choose_layers(model: Path, home: Path, tmp_path: Path) -> None:
    await aio.pack(model, tags=["a"], home=home)
    await aio.unpack("a", tmp_path / "one", filters=["docs"], home=home)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["README.md"]
    await aio.unpack("a", tmp_path / "two", filters=["model:model.bin", "kitfile"], home=home)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"Kitfile", "model.bin"}
    with pytest.raises(errors.InvalidArgument):
        await aio.unpack("a", tmp_path / "three", filters=["nonsense"], home=home)


async def test_a_kit_takes_its_model_from_another(model: Path, home: Path, tmp_path: Path) -> None:
    await aio.pack(model, tags=["parent:v1"], home=home)
    child = tmp_path / "child"
    child.mkdir()
    (child / "Kitfile").write_text(
        'manifestVersion: "1.0"\nmodel: {path: "parent:v1"}\ncode: [{path: .}]\n'
    )
    (child / "run.py").write_text("run\n")
    await aio.pack(child, tags=["child:v1"], home=home)
    await aio.unpack("child:v1", tmp_path / "out", home=home)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "Kitfile",
        "model.bin",
        "run.py",
    }


async def test_kits_that_name_each_other_are_refused(home: Path, tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "a")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "Kitfile").write_text('manifestVersion: "1.0"\n')
        await aio.pack(folder, tags=[f"{name}:v1"], home=home)
        (folder / "Kitfile").write_text(f'manifestVersion: "1.0"\nmodel: {{path: "{parent}:v1"}}\n')
        if name == "b":
            await aio.pack(folder, tags=["b:v1"], home=home)
            with pytest.raises(errors.InvalidKitfile, match="cycle"):
                (tmp_path / "a" / "Kitfile").write_text(
                    'manifestVersion: "1.0"\nmodel: {path: "b:v1"}\n'
                )
                await aio.pack(tmp_path / "a", tags=["a:v1"], home=home)
                await aio.unpack("b:v1", tmp_path / "out", home=home)


def test_the_blocking_verbs_work_inside_a_running_loop(model: Path, home: Path) -> None:
    import asyncio

    async def notebook() -> str:
        return kitfast.pack(model, tags=["a"], home=home).digest

    assert asyncio.run(notebook()) == kitfast.inspect("a", home=home).digest


async def test_damage_is_found_and_named(model: Path, home: Path) -> None:
    packed = await aio.pack(model, tags=["a:v1"], home=home)
    (content,) = (path for path in (home / "contents").rglob("*") if path.is_file())
    content.chmod(0o644)
    data = bytearray(content.read_bytes())
    data[-1] ^= 1
    content.write_bytes(data)
    verified = await aio.cache_verify(home=home)
    (damage,) = verified.damaged
    assert damage.digest == packed.layers[0].digest
    assert damage.kits == (f"a@{packed.digest}",)


@pytest.mark.parametrize("inner", ["", "/below"])
async def test_a_file_is_no_folder_to_unpack_into(inner: str, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(errors.FileError, match=f"{file}: is not a folder$"):
        await aio.unpack("r.invalid/a:v1", f"{file}{inner}", home=home)
    with pytest.raises(errors.FileError, match=r"/dev/null: is not a folder$"):
        await aio.unpack("r.invalid/a:v1", "/dev/null", home=home)
    assert file.read_text() == "mine"


async def test_a_name_without_registry_is_not_said_to_be_pulled(home: Path) -> None:
    with pytest.raises(errors.NotFound) as caught:
        await aio.unpack("my-model:v1", home=home)
    hint = str(caught.value.hint)
    assert "pull" not in hint
    assert "`kitfast pack DIRECTORY --tag my-model:v1`" in hint
    assert "registry.example/my-model:v1" in hint


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("127.0.0.1:5871", "127.0.0.1:5871: is a registry", "127.0.0.1:5871/team/model"),
        ("localhost:5000", "localhost:5000: is a registry", "localhost:5000/team/model"),
        ("r.example/", "'r.example/' names a registry and no", "r.example/team/model"),
        ("r.example", "a registry, or else a repository", "r.example/team/model"),
        ("llama-3.1:v1", "names no registry", "registry.example/llama-3.1:v1"),
        ("team/model:5000", "names no registry", "registry.example/team/model:5000"),
    ],
)
async def test_half_a_remote_name_says_which_half(
    name: str, said: str, hint: str, home: Path
) -> None:
    with pytest.raises(errors.InvalidReference, match=said) as caught:
        await aio.list_kits(name, home=home)
    assert hint in str(caught.value.hint)
