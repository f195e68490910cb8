"""Two processes unpack one kit at once: right bytes, fetched once where shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import PROGRAM, Kitfast, wait
from tests.support.faults import Fault, FaultyRegistry, always

SIZE = 3 << 20


class Pushed:
    """A kit in a registry that counts what it sends, slow enough for two to meet."""

    def __init__(self, registry: FaultyRegistry, kitfast: Kitfast, source: Path) -> None:
        self.registry = registry
        self.source = folders.shards(source, 2, SIZE)
        self.reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, self.reference, "--plain-http")
        self.layers = sum(len(data) for data in registry.blobs.values() if len(data) > 4096)
        registry.sent.clear()
        registry.script = always(Fault(wait=0.2))

    def sent(self) -> int:
        """Bytes of layers that crossed the network."""
        blobs = self.registry.blobs
        return sum(count for name, count in self.registry.sent.items() if len(blobs[name]) > 4096)

    def is_in(self, folder: Path) -> bool:
        return folders.tree(folder) == folders.tree(self.source)


@pytest.fixture
def pushed(kitfast: Kitfast, tmp_path: Path) -> Iterator[Pushed]:
    with FaultyRegistry() as registry:
        yield Pushed(registry, kitfast, tmp_path / "source")


def test_into_two_folders(other: Kitfast, pushed: Pushed, tmp_path: Path) -> None:
    targets = [tmp_path / "a", tmp_path / "b"]
    words = ("unpack", pushed.reference, "--plain-http", "--part-size", "1MiB", "--dir")
    children = [other.start(*words, target) for target in targets]
    for child in children:
        wait(child)
    assert [child.returncode for child in children] == [0, 0]
    assert all(map(pushed.is_in, targets))
    # Straight into a folder each: nothing between them is shared.
    assert pushed.sent() == 2 * pushed.layers


@pytest.mark.parametrize("link", ["", "--link"])
def test_into_two_folders_through_one_store(
    other: Kitfast, pushed: Pushed, tmp_path: Path, link: str
) -> None:
    targets = [tmp_path / "a", tmp_path / "b"]
    script = (
        f'{PROGRAM} pull "$1" --plain-http --part-size 1MiB && '
        f'exec {PROGRAM} unpack "$1" {link} --dir "$2"'
    )
    children = [
        other.start("-c", script, "sh", pushed.reference, target, program="/bin/sh")
        for target in targets
    ]
    for child in children:
        wait(child)
    assert [child.returncode for child in children] == [0, 0]
    assert [(target / "shards").is_dir() for target in targets] == [True, True]
    assert pushed.sent() == pushed.layers
    for target in targets:
        for path in pushed.source.rglob("*.safetensors"):
            copy = target / path.relative_to(pushed.source)
            assert folders.sha256(copy) == folders.sha256(path)
    copies = [target / "shards" / "model-00000.safetensors" for target in targets]
    assert copies[0].samefile(copies[1]) == bool(link)


def test_resolved_by_two(other: Kitfast, pushed: Pushed, tmp_path: Path) -> None:
    outputs = [tmp_path / "a", tmp_path / "b"]
    children = []
    for output in outputs:
        with output.open("wb") as file:
            words = ("resolve", pushed.reference, "--plain-http", "--part-size", "1MiB")
            children.append(other.start(*words, stdout=file.fileno()))
    for child in children:
        wait(child)
    assert [child.returncode for child in children] == [0, 0]
    said = {output.read_text().strip() for output in outputs}
    assert len(said) == 1 and pushed.is_in(Path(said.pop()))
    assert pushed.sent() == pushed.layers


@pytest.mark.parametrize("rule", ["", "--overwrite", "--ignore-existing"])
def test_into_one_folder(other: Kitfast, pushed: Pushed, tmp_path: Path, rule: str) -> None:
    target = tmp_path / "target"
    words = ("unpack", pushed.reference, "--plain-http", "--part-size", "1MiB", "--dir", target)
    more = (rule,) if rule else ()
    children = [other.start(*words, *more) for _ in range(2)]
    for child in children:
        wait(child)
    # They take turns, layer by layer. Without a rule, the later one may find files in its way.
    statuses = sorted(child.returncode for child in children)
    assert statuses == [0, 0] or (not rule and statuses == [0, 1])
    assert pushed.is_in(target)
