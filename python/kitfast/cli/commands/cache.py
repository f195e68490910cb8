"""`kitfast cache`: says what the home holds, checks it, frees what is not needed."""

from __future__ import annotations

from typer import Exit

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def info(session: Session) -> None:
    """Show what kitfast's home holds, and how much room it takes."""
    from kitfast import aio

    session.show(session.run(lambda _: aio.cache_info(home=session.home)), human.cache_info)


def prune(session: Session) -> None:
    """Free what no kit needs any more.

    Kits, partial transfers and the folders of `kitfast resolve` stay.
    """
    from kitfast import aio

    session.show(session.run(lambda _: aio.cache_prune(home=session.home)), human.freed)


def clear(session: Session) -> None:
    """Free partial transfers, and what no kit needs.

    Kits stay: `kitfast remove --all --force` removes those. So do folders that `kitfast
    resolve` has completed: `--forget` removes those.
    """
    from kitfast import aio

    session.show(session.run(lambda _: aio.cache_clear(home=session.home)), human.freed)


def verify(session: Session) -> None:
    """Read and check every byte of the local store.

    The exit status is 1 when something is damaged. Removing and pulling a damaged kit
    heals it.
    """
    from kitfast import aio

    found = session.run(lambda progress: aio.cache_verify(home=session.home, progress=progress))
    session.show(found, human.cache_verified)
    if found.damaged:
        raise Exit(1)


VERBS = (
    verb(info, "kitfast cache info", name="cache info"),
    verb(prune, "kitfast cache prune", name="cache prune"),
    verb(clear, "kitfast cache clear", name="cache clear"),
    verb(verify, "kitfast cache verify", name="cache verify"),
)
