"""`init`: writes a Kitfile for a folder from what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import offload
from kitfast.errors import AlreadyExists, NotFound
from kitfast.kitfile.generate import generate
from kitfast.kitfile.model import Kitfile, Package
from kitfast.kitfile.parser import parse
from kitfast.kitfile.yaml import to_text
from kitfast.modelkit.listing import license_text, list_folder
from kitfast.store.files import write_atomically


@dataclass(frozen=True)
class Initialized:
    """Where the Kitfile was written, and what it says."""

    path: str
    kitfile: Kitfile
    text: str


async def init(
    path: str | Path,
    *,
    name: str = "",
    description: str = "",
    author: str = "",
    force: bool = False,
) -> Initialized:
    """Writes a Kitfile for a folder: its weights as model and parts, the rest by kind.

    Args:
        path: the folder.
        name, description, author: what the Kitfile says of the package.
        force: replace a Kitfile that is there.

    Raises:
        NotFound: there is no such folder.
        AlreadyExists: the folder has a Kitfile, and `force` is not given.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise NotFound(f"{path}: no such folder", what=str(path))
    target = folder / "Kitfile"
    if target.exists() and not force:
        raise AlreadyExists(
            f"{target}: already exists", path=target, hint="use --force to replace it"
        )
    listing = await offload.run(list_folder, folder)
    package = Package(name=name, description=description, authors=(author,) if author else ())
    kitfile = generate(listing, package, license_text(folder, listing))
    text = to_text(kitfile)
    # What is written must be readable: a name in the folder could be one YAML cannot hold.
    parse(text.encode(), str(target))
    write_atomically(target, text.encode())
    return Initialized(str(target), kitfile, text)
