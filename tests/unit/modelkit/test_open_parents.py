"""A kit whose model comes from another: its files are found as unpacking does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.faults import FaultyRegistry

import kitfast
from kitfast import errors
from kitfast.modelkit import published
from kitfast.registry import Registry
from kitfast.settings import Network

PLAIN = Network(plain_http=True)
KITS = {
    "oldest": ("model: {path: m}\ndatasets: [{name: d, path: d}]\n", ["m/old.bin", "m/x", "d/y"]),
    "middle": ("model: {path: 'HOSTkits:oldest', parts: [{path: p}]}\n", ["p/x.bin"]),
    "youngest": ("model: {path: 'HOSTkits:middle'}\ncode: [{path: m}]\n", ["m/x", "m/run.py"]),
}
FOUND = {"m/old.bin": "oldest", "p/x.bin": "middle", "m/x": "youngest", "m/run.py": "youngest"}


def pack(folder: Path, host: str, home: Path, compression: str = "none") -> None:
    """Packs all kits; each file holds the name of its kit and its own."""
    for kit, (entries, names) in KITS.items():
        for name in names:
            (folder / kit / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / kit / name).write_text(f"{kit} {name}")
        text = f"manifestVersion: 1.0.0\n{entries.replace('HOST', host)}"
        (folder / kit / "Kitfile").write_text(text)
        chosen = compression if kit == "oldest" else "none"
        kitfast.pack(folder / kit, tags=[f"{host}kits:{kit}"], compression=chosen, home=home)


@pytest.mark.parametrize("where", ["store", "registry", "unverified"])
def test_a_file_is_found_where_unpacking_takes_it_from(tmp_path: Path, where: str) -> None:
    home, unverified = tmp_path / "home", where == "unverified"
    with FaultyRegistry() as registry:
        host = "" if where == "store" else f"{registry.host}/"
        pack(tmp_path / "kits", host, home)
        if where != "store":
            for kit in KITS:
                kitfast.push(f"{host}kits:{kit}", home=home, network=PLAIN)
            home = tmp_path / "other"
        reference = f"{host}kits:youngest"
        kitfast.unpack(reference, tmp_path / "out", overwrite=True, home=home, network=PLAIN)
        for name, kit in FOUND.items():
            words = {"unverified": unverified, "home": home, "network": PLAIN}
            with kitfast.open(reference, name, **words) as file:
                assert file.verified is not unverified
                assert file.read() == f"{kit} {name}".encode()
                file.seek(0)
                assert file.read() == (tmp_path / "out" / name).read_bytes()
        # Of a parent, the model alone is taken.
        assert not (tmp_path / "out/d").exists()
        with pytest.raises(errors.NotFound, match=f"{reference}: has no file d/y"):
            kitfast.open(reference, "d/y", home=home, network=PLAIN)
        with kitfast.open(f"{host}kits:oldest", "d/y", home=home, network=PLAIN) as file:
            assert file.read() == b"oldest d/y"


def test_a_parent_is_asked_only_for_what_the_kit_lacks(tmp_path: Path) -> None:
    home = tmp_path / "home"
    pack(tmp_path / "kits", "", home, "gzip")
    with pytest.raises(errors.InvalidArgument, match="compressed") as told:
        kitfast.open("kits:youngest", "m/old.bin", home=home)
    assert "kitfast unpack kits:oldest --include m/old.bin" in str(told.value.hint)
    kitfast.remove("kits:oldest", home=home)
    with kitfast.open("kits:youngest", "m/x", home=home) as file:
        assert file.read() == b"youngest m/x"
    with pytest.raises(errors.NotFound, match="kits:oldest: not in the local store"):
        kitfast.open("kits:youngest", "m/old.bin", home=home)


def test_kits_that_name_each_other_are_refused(tmp_path: Path) -> None:
    # A kit is packed only when there is what it names, so the circle is closed afterwards.
    for kit, parent in (("a", ""), ("b", "a"), ("a", "b")):
        folder = tmp_path / kit
        folder.mkdir(exist_ok=True)
        model = f"model: {{path: 'kits:{parent}'}}\n" if parent else ""
        (folder / "Kitfile").write_text(f"manifestVersion: 1.0.0\n{model}")
        kitfast.pack(folder, tags=[f"kits:{kit}"], home=tmp_path / "home")
    with pytest.raises(errors.InvalidKitfile, match="cycle"):
        kitfast.open("kits:a", "m/x", home=tmp_path / "home")


@pytest.mark.parametrize("named", ["tag", "digest"])
def test_the_name_of_the_kit_says_whether_a_parents_list_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    home, asked = tmp_path / "home", []
    healthy = published.find

    async def find(registry: Registry, repository: str, digest: str, layers: Any) -> Any:
        asked.append(digest)
        return await healthy(registry, repository, digest, layers)

    with FaultyRegistry() as registry:
        host = f"{registry.host}/"
        pack(tmp_path / "kits", host, home)
        digests = {
            kit: kitfast.push(f"{host}kits:{kit}", home=home, network=PLAIN).digest for kit in KITS
        }
        monkeypatch.setattr(published, "find", find)
        name = ":youngest" if named == "tag" else f"@{digests['youngest']}"
        where = {"home": tmp_path / "other", "network": PLAIN}
        with kitfast.open(f"{host}kits{name}", "p/x.bin", **where) as file:
            assert file.read() == b"middle p/x.bin"
    assert (digests["middle"] in asked) is (named == "tag")
