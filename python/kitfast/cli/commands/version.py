"""`kitfast version`: shows the version of kitfast, Python and the machine."""

from __future__ import annotations

from kitfast.cli.options import verb
from kitfast.cli.render.version import text
from kitfast.cli.session import Session


def version(session: Session) -> None:
    """Show the version of kitfast, and of what it runs on."""
    from kitfast.modelkit.version import version

    session.show(version(), lambda found: text(found.version, found.python, found.platform))


VERBS = (verb(version, "kitfast version\nkitfast version --format json"),)
