"""`pull`: brings a kit from a registry into the store, every byte verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.modelkit.fetch import Arrivals, Source, fetch_into_store, missing_bytes
from kitfast.modelkit.kit import Kit, fetch
from kitfast.modelkit.parents import chain
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.space import require_space
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.progress import Callback
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.transfer.account import Flow


@dataclass(frozen=True)
class Pulled:
    """What `pull` did; sizes in bytes.

    `size` is all layers of the kit. `fetched` crossed the network now; `reused` was here
    already, or was left by an earlier try that broke; both count the kits a model comes
    from, too. `flow` says how fast it went and what held it back.
    """

    digest: str
    references: tuple[str, ...]
    layers: int
    size: int
    fetched: int
    reused: int
    warnings: tuple[str, ...] = ()
    flow: Flow | None = None


async def pull(
    reference: str,
    *,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Pulled:
    """Brings a kit, and the kits its model comes from, into the store.

    What was fetched before a failure, a kill or a cancel is kept: the next pull goes on.

    Args:
        reference: the kit; of several tags, each is pulled.

    Raises:
        NotInRegistry: there is no such kit.
        DigestMismatch: the registry's bytes are not what its manifest says.
        NoSpace: the disk is too small; told before the first byte where it can be seen.
    """
    parsed = references.parse(reference)
    folder = home or settings.home()
    arrivals = Arrivals()
    async with opened(folder) as store:

        async def bring(one: Reference) -> Kit:
            return await _pull(store, one, network or settings.network(), progress, arrivals)

        layers = 0
        for one in parsed.each():
            kits = [kit async for kit in chain(one, bring)]
            layers += sum(len(kit.manifest.layers) for kit in kits)
    kit = kits[0]
    return Pulled(
        kit.digest,
        tuple(str(one) for one in parsed.each()),
        len(kit.manifest.layers),
        kit.size,
        arrivals.fetched,
        arrivals.reused,
        tuple(arrivals.warnings),
        arrivals.account.flow(layers=layers, moved=arrivals.fetched),
    )


async def _pull(
    store: Home,
    reference: Reference,
    network: Network,
    progress: Callback | None,
    arrivals: Arrivals,
) -> Kit:
    async with connected(reference, store.folder, network, mirrors=True) as registry:
        with arrivals.account.during("registry"):
            kit = await fetch(registry, reference)
        require_space(store.folder, missing_bytes(store, kit.manifest.layers))
        limits = limits_for(network)
        source = Source(registry, reference.repository, limits, network, progress, arrivals)
        await fetch_into_store(source, store, kit)
    # Manifest and tag come last: what a reference names is here, whole.
    store.manifests.put(kit.config_bytes)
    store.manifests.put(kit.manifest_bytes)
    store.references.add(reference.registry, reference.repository, kit.digest, *reference.tags)
    return kit
