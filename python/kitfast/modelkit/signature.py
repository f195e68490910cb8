"""Has cosign check the signature of a kit, by its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kitfast import settings
from kitfast.errors import InvalidArgument, SignatureRefused
from kitfast.modelkit.tools import ToolFailed, ask
from kitfast.oci import reference as references
from kitfast.settings import Network

MISSING = "install cosign (https://docs.sigstore.dev), or use an image that has it"


@dataclass(frozen=True)
class Signed:
    """The reference whose signature is good."""

    reference: str


async def verify_signature(
    reference: str,
    *,
    key: str | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    flags: Sequence[str] = (),
    network: Network | None = None,
) -> Signed:
    """Asks the cosign program whether a kit is signed by whom it should be.

    cosign has its own logins: the ones in Docker's configuration.

    Args:
        reference: the kit, by digest: a tag could be moved once it was checked.
        key: the public key, as cosign takes it: a file or the address of a key service.
        identity: whom a certificate must be made out to, where there is no key.
        issuer: who must have vouched for that identity.
        flags: more for `cosign verify`, such as `--trusted-root FILE` where there is no
            way to its servers.

    Raises:
        SignatureRefused: there is no such signature.
        NotFound: there is no cosign on PATH.
        InvalidArgument: a tag, or neither a key nor an identity with its issuer.
    """
    if references.parse(reference).digest is None:
        raise InvalidArgument(
            f"{reference}: a tag can be moved after its signature was checked",
            hint="name the kit by its digest",
        )
    words = ["cosign", "verify", *_whose(key, identity, issuer), *_how(network), *flags]
    try:
        await ask([*words, reference], missing=MISSING)
    except ToolFailed as failed:
        raise SignatureRefused(f"{reference}: {failed}") from failed
    return Signed(reference)


def _whose(key: str | None, identity: str | None, issuer: str | None) -> list[str]:
    if key:
        return ["--key", key]
    if identity and issuer:
        return ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer]
    raise InvalidArgument(
        "a signature is checked with a key, or with an identity and its issuer",
        hint="give a key, or both of the others",
    )


def _how(network: Network | None) -> list[str]:
    network = network or settings.network()
    words = ["--allow-http-registry"] if network.plain_http else []
    return words if network.tls_verify else [*words, "--allow-insecure-registry"]
