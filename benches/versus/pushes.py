"""How kitfast and its peers push: a kit each one has stored, or a folder as it is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from links import Link
from measure import Cost, run
from models import Model
from peers import kitfast, program

QUIET = ["--progress", "none"]


@dataclass(frozen=True)
class Push:
    """What is to be pushed where: the model in `folder`, as the kit `reference`.

    `stored` holds what was prepared, a folder for each program; `into` is fresh each time.
    """

    link: Link
    folder: Path
    stored: Path
    into: Path
    reference: str

    @property
    def files(self) -> list[str]:
        """The names of the model's files."""
        return sorted(path.name for path in self.folder.iterdir() if path.name != "Kitfile")


Commands = Callable[[str, Push], list[list[str]]]


@dataclass(frozen=True)
class Pusher:
    """A program and how it pushes; `prepare` is done once and not measured."""

    name: str
    found: Callable[[], str | None]
    commands: Commands
    prepare: Commands = lambda path, push: []
    #: The registry checks every digest, whoever pushes.
    verifies: bool = True

    def ready(self, path: str, push: Push) -> None:
        """Makes what the program pushes from."""
        for command in self.prepare(path, push):
            subprocess.run(command, check=True, capture_output=True, cwd=push.folder)

    def push(self, path: str, push: Push) -> Cost:
        """Pushes, and says what it cost; `written` is what it has left on the disk.

        Raises:
            Failed: a command ended with an error.
        """
        costs = [run(command, cwd=push.folder) for command in self.commands(path, push)]
        kept = sum(path.stat().st_size for path in push.into.rglob("*") if path.is_file())
        return Cost.total(costs, written=kept)


def ready(pusher: Pusher, link: Link, model: Path, stored: Path) -> None:
    """Prepares a program, where it is found."""
    path = pusher.found()
    if path is not None:
        pusher.ready(path, Push(link, model, stored, stored, "bench/prepared:v1"))


def attempt(pusher: Pusher, path: str, link: Link, model: Path, stored: Path, into: Path) -> Cost:
    """One push into a repository that nobody has pushed to."""
    # The registry knows nothing of a repository with a name of its own.
    reference = f"{link.host}/bench/{into.name}:v1"
    into.mkdir()
    try:
        return pusher.push(path, Push(link, model, stored, into, reference))
    finally:
        shutil.rmtree(into)


def size(model: Path) -> int:
    """The bytes that are to be pushed."""
    return sum(path.stat().st_size for path in model.rglob("*") if path.name != "Kitfile")


def does(model: Model) -> bool:
    """Whether a model is of use here: thousands of files in one layer are no push's matter."""
    return model.layered


def _home(home: Path) -> list[str]:
    return ["--config", str(home), *QUIET]


def _pack(path: str, folder: Path, reference: str, home: Path) -> list[str]:
    return [path, "pack", str(folder), "-t", reference, *_home(home)]


def _stored(name: str) -> tuple[Commands, Commands]:
    def prepare(path: str, push: Push) -> list[list[str]]:
        return [_pack(path, push.folder, "bench/prepared:v1", push.stored / name)]

    def commands(path: str, push: Push) -> list[list[str]]:
        words = [path, "push", "bench/prepared:v1", push.reference, "--plain-http"]
        return [[*words, *_home(push.stored / name)]]

    return commands, prepare


def _pack_and_push(path: str, push: Push) -> list[list[str]]:
    home = push.into / "home"
    send = [path, "push", push.reference, "--plain-http", *_home(home)]
    return [_pack(path, push.folder, push.reference, home), send]


def _push_folder(*flags: str) -> Commands:
    def commands(path: str, push: Push) -> list[list[str]]:
        words = [path, "push", str(push.folder), push.reference, "--plain-http", *flags]
        return [[*words, *_home(push.into / "home")]]

    return commands


def _oras_layout(path: str, push: Push) -> list[list[str]]:
    return [[path, "push", "--oci-layout", f"{push.stored / 'layout'}:v1", *push.files]]


def _oras_copy(path: str, push: Push) -> list[list[str]]:
    layout = f"{push.stored / 'layout'}:v1"
    return [[path, "cp", "--from-oci-layout", layout, "--to-plain-http", push.reference]]


def _oras_push(path: str, push: Push) -> list[list[str]]:
    return [[path, "push", "--plain-http", push.reference, *push.files]]


PUSHERS = (
    Pusher("kitfast push", kitfast, *_stored("kitfast")),
    Pusher("kit push", program("kit"), *_stored("kit")),
    Pusher("oras cp", program("oras"), _oras_copy, _oras_layout),
    Pusher("kitfast push DIRECTORY", kitfast, _push_folder()),
    Pusher("the same, no file digests", kitfast, _push_folder("--no-file-digests")),
    Pusher("kitfast pack + push", kitfast, _pack_and_push),
    Pusher("kit pack + push", program("kit"), _pack_and_push),
    Pusher("oras push FILES", program("oras"), _oras_push),
)
