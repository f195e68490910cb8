"""The entry points of the container images, with kit's variables and arguments."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Sequence
from typing import Annotated, Any

from typer import Argument

from kitfast import settings
from kitfast.cli.options import take_shared, verb
from kitfast.cli.render import human
from kitfast.cli.session import Session
from kitfast.errors import InvalidArgument

log = logging.getLogger("kitfast")

UNPACK_PATH = "/home/user/modelkit/"
SCHEME = "kit://"


def container_init(session: Session) -> None:
    """Unpack the kit that MODELKIT_REF names, as an init container.

    Further variables: UNPACK_PATH, UNPACK_FILTER, EXTRA_FLAGS; COSIGN_KEY, or
    COSIGN_CERT_IDENTITY with COSIGN_CERT_OIDC_ISSUER, to have cosign check the signature;
    COSIGN_FLAGS, more flags for it.
    """
    reference = os.environ.get("MODELKIT_REF")
    if not reference:
        raise InvalidArgument("MODELKIT_REF is not set", hint="set it to the kit to unpack")
    place = os.environ.get("UNPACK_PATH") or UNPACK_PATH
    chosen = os.environ.get("UNPACK_FILTER") or "model"
    extra = _words("EXTRA_FLAGS") or ["--ignore-existing"]
    values = _parse(session, [reference, "--dir", place, "--filter", chosen, *extra])
    values["reference"] = _pinned(session, values["reference"])
    _check_signature(session, values["reference"])
    _unpack(session, values)


def container_kserve(
    session: Session,
    address: Annotated[str, Argument(metavar="kit://REFERENCE", help="The kit.")],
    directory: Annotated[str, Argument(metavar="DIR", help="Where to.")],
) -> None:
    """Unpack a kit as a storage container of KServe.

    Variables: KIT_UNPACK_FLAGS; KIT_USER and KIT_PASSWORD, or AWS_ROLE_ARN and
    AWS_ECR_REGION, or GCP_WIF and GCP_GAR_LOCATION.
    """
    reference = address.removeprefix(SCHEME)
    values = _parse(session, [reference, "--dir", directory, *_words("KIT_UNPACK_FLAGS")])
    _log_in(session, values["reference"])
    values["reference"] = _pinned(session, values["reference"])
    _unpack(session, values)


def _words(variable: str) -> list[str]:
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise InvalidArgument(
            f"{variable} cannot be read: {str(error).lower()}",
            hint="write it as on a command line, with every quote closed",
        ) from error


def _parse(session: Session, words: Sequence[str]) -> dict[str, Any]:
    """Reads the words of an `unpack` as that verb does; the shared flags go to the session."""
    from kitfast.cli.app import command

    context = command("unpack").commands["unpack"].make_context("unpack", list(words), obj=session)  # type: ignore[attr-defined]
    values = dict(context.params)
    # Whoever reads the log of a container wants few lines, unless the flags say otherwise.
    session.style = session.style or "heartbeat"
    take_shared(session, values, network=True, reports=True)
    return values


def _unpack(session: Session, values: dict[str, Any]) -> None:
    from kitfast.cli.commands.unpack import unpack

    log.info("unpacking %s to %s", values["reference"], values["directory"])
    unpack(session, **values)


def _pinned(session: Session, reference: str) -> str:
    """The reference by digest: what comes after means the same kit, even if a tag moves."""
    from kitfast import aio

    found = session.run(lambda _: aio.locate(reference, home=session.home, network=session.network))
    return found.reference


def _check_signature(session: Session, reference: str) -> None:
    from kitfast import aio

    key, identity, issuer = (
        os.environ.get(name) or None
        for name in ("COSIGN_KEY", "COSIGN_CERT_IDENTITY", "COSIGN_CERT_OIDC_ISSUER")
    )
    # One without the other is an error there: nobody sets it to have nothing checked.
    if key or identity or issuer:
        signed = session.run(
            lambda _: aio.verify_signature(
                reference,
                key=key,
                identity=identity,
                issuer=issuer,
                flags=_words("COSIGN_FLAGS"),
                network=session.network,
            )
        )
        log.info("%s", human.signed(signed).rstrip())


def _log_in(session: Session, reference: str) -> None:
    """Makes the variables' login known to this process alone; it is written nowhere."""
    from kitfast.modelkit import cloud
    from kitfast.oci import reference as references

    host = references.parse(reference).registry
    user, password = os.environ.get("KIT_USER"), os.environ.get("KIT_PASSWORD")
    login: tuple[str, str] | None = None
    if user and password:
        login = (user, password)
    elif user or password:
        log.warning("KIT_USER and KIT_PASSWORD go together: there is no login with one of them")
    elif os.environ.get("AWS_ROLE_ARN"):
        region = os.environ.get("AWS_ECR_REGION", "")
        login = session.run(lambda _: cloud.aws_login(host, region))
    elif os.environ.get("GCP_WIF") == "true":
        location = os.environ.get("GCP_GAR_LOCATION", "")
        login = session.run(lambda _: cloud.google_login(host, location))
    if login is not None:
        os.environ.update(
            {settings.REGISTRY: host, settings.USERNAME: login[0], settings.PASSWORD: login[1]}
        )


VERBS = (
    verb(
        container_init,
        "MODELKIT_REF=registry.example/team/model:v1 UNPACK_PATH=model kitfast container-init",
        name="container-init",
        reports=False,
    ),
    verb(
        container_kserve,
        "kitfast container-kserve kit://registry.example/team/model:v1 /mnt/models",
        name="container-kserve",
        reports=False,
    ),
)
