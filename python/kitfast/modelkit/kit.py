"""A kit as it is read from the store or a registry: manifest, config and Kitfile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitfast.errors import Corrupt, NotFound
from kitfast.oci.document import MAX_BYTES
from kitfast.oci.manifest import Index, Manifest, parse, parse_manifest
from kitfast.oci.reference import Reference
from kitfast.store.home import Home

if TYPE_CHECKING:
    from kitfast.kitfile.match import Unpackable
    from kitfast.kitfile.model import Kitfile
    from kitfast.registry.client import Registry


@dataclass(frozen=True)
class Kit:
    """What a reference names, with the exact bytes that its digests stand for."""

    reference: Reference
    digest: str
    manifest: Manifest
    manifest_bytes: bytes
    config_bytes: bytes
    kitfile: Kitfile

    @property
    def size(self) -> int:
        """Bytes of all layers together, as kit counts a kit's size."""
        return sum(layer.size for layer in self.manifest.layers)

    def unpackables(self) -> list[Unpackable]:
        """The layers with the Kitfile entries and file names that belong to them."""
        from kitfast.kitfile.match import match

        return match(self.manifest, self.kitfile)


def read(reference: Reference, digest: str, manifest_bytes: bytes, config_bytes: bytes) -> Kit:
    """Puts a kit together from bytes whose digests have been verified.

    Raises:
        UnsupportedArtifact: the manifest is of a kind kitfast does not read.
        Corrupt: manifest or config is not what its format says.
    """
    # Imported here: a registry is asked for the bytes first.
    from kitfast.kitfile.origin import kitfile_of

    manifest = parse_manifest(manifest_bytes)
    kitfile = kitfile_of(manifest, config_bytes)
    return Kit(reference, digest, manifest, manifest_bytes, config_bytes, kitfile)


def find_local(home: Home, reference: Reference) -> Kit | None:
    """The kit a reference names in the store, or None.

    Raises:
        Corrupt: the store holds the reference, but not all that belongs to it.
    """
    digest = local_digest(home, reference)
    if digest is None:
        return None
    manifest_bytes = home.manifests.get(digest)
    if manifest_bytes is None:
        raise _incomplete(reference, f"manifest {digest}")
    config = parse_manifest(manifest_bytes).config
    config_bytes = home.manifests.get(config.digest)
    if config_bytes is None:
        raise _incomplete(reference, f"config {config.digest}")
    return read(reference, digest, manifest_bytes, config_bytes)


def local_digest(home: Home, reference: Reference) -> str | None:
    """The digest of the manifest a reference names in the store, or None."""
    if reference.is_bare_digest:
        held = (held.digest for held in home.references.held())
        return next((digest for digest in held if digest == reference.digest), None)
    if reference.digest is not None:
        known = home.references.holds(reference.registry, reference.repository, reference.digest)
        return reference.digest if known else None
    return home.references.resolve(reference.registry, reference.repository, reference.target)


def need_local(home: Home, reference: Reference) -> Kit:
    """The kit a reference names in the store.

    Raises:
        NotFound: the store does not hold it.
    """
    kit = find_local(home, reference)
    if kit is None:
        raise not_here(reference)
    return kit


def not_here(reference: Reference) -> NotFound:
    """The error for a kit that the store does not hold."""
    return NotFound(
        f"{reference}: not in the local store",
        what=str(reference),
        hint=_where_to_get(reference),
    )


def _where_to_get(reference: Reference) -> str:
    """What to do about a kit that the store lacks: only a full name says where to fetch it."""
    here = "`kitfast list` shows what is here"
    if reference.is_bare_digest:
        return here
    if reference.is_local:
        return (
            f"{here}; pack it with `kitfast pack DIRECTORY --tag {reference}`, or name the "
            f"registry that has it too, as in registry.example/{reference}"
        )
    return f"{here}; `kitfast pull` fetches from a registry"


async def fetch(registry: Registry, reference: Reference) -> Kit:
    """Reads a kit's manifest and config from a registry, both verified.

    Raises:
        NotInRegistry: there is no such repository, tag or digest.
        UnsupportedArtifact: it is no model artifact.
        Corrupt: manifest or config is not what its format says.
    """
    fetched = await registry.manifest(reference.repository, reference.target)
    manifest = parse(fetched.data, fetched.media_type)
    if isinstance(manifest, Index):
        fetched = await registry.manifest(reference.repository, manifest.only().digest)
        manifest = parse_manifest(fetched.data, fetched.media_type)
    config = manifest.config
    if config.size > MAX_BYTES:
        # It is held in memory, and nothing that reads it would take more.
        raise Corrupt(f"{reference}: its config is larger than {MAX_BYTES // 2**20} MiB")
    config_bytes = await registry.blob_bytes(reference.repository, config.digest, config.size)
    return read(reference, fetched.digest, fetched.data, config_bytes)


def _incomplete(reference: Reference, what: str) -> Corrupt:
    return Corrupt(
        f"{reference}: the store has lost its {what}",
        what=str(reference),
        hint="remove the reference with `kitfast remove`, then pull or pack it again",
    )
