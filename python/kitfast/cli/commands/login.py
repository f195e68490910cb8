"""`kitfast login`: keeps a user and password for a registry, once it accepts them."""

from __future__ import annotations

import getpass
import logging
import sys
from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session
from kitfast.errors import InvalidArgument


def login(
    session: Session,
    registry: Annotated[str, Argument(metavar="REGISTRY", help="The registry's host name.")],
    username: Annotated[
        str | None, Option("--username", "-u", metavar="USER", help="Asked for if not given.")
    ] = None,
    password: Annotated[
        str | None,
        Option("--password", "-p", metavar="PASSWORD", help="Password or token; others see it."),
    ] = None,
    password_stdin: Annotated[
        bool, Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Keep a user and password for a registry.

    They are kept once the registry has accepted them."""
    from kitfast import aio

    user, secret = _credentials(username, password, password_stdin)
    logged_in = session.run(
        lambda _: aio.login(registry, user, secret, home=session.home, network=session.network)
    )
    session.show(logged_in, human.logged_in)


def _credentials(username: str | None, password: str | None, stdin: bool) -> tuple[str, str]:
    if stdin:
        if password is not None:
            raise InvalidArgument(
                "--password and --password-stdin exclude each other", hint="leave one out"
            )
        if not username:
            raise InvalidArgument("--password-stdin needs --username", hint="add --username USER")
        return username, _from_stdin()
    if password is not None:
        logging.getLogger("kitfast").warning(
            "others on this machine can see --password; --password-stdin hides it"
        )
    missing = "" if username else "--username USER"
    if password is None:
        missing += f"{' and ' if missing else ''}--password-stdin"
    user = username or _ask("Username: ", missing, hidden=False)
    return user, password if password is not None else _ask("Password: ", missing, hidden=True)


def _from_stdin() -> str:
    secret = sys.stdin.read().strip()
    if not secret:
        raise InvalidArgument(
            "standard input holds no password", hint="pipe it in: --password-stdin < file"
        )
    return secret


def _ask(prompt: str, missing: str, *, hidden: bool) -> str:
    """Asks on the terminal; without one, `missing` are the flags to add."""
    if not sys.stdin.isatty():
        raise InvalidArgument(
            f"no {prompt.rstrip(': ').lower()} given, and no terminal to ask on",
            hint=f"add {missing}",
        )
    if hidden:
        return getpass.getpass(prompt, stream=sys.stderr).strip()
    # Not input(): it would write the prompt to standard output.
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


VERBS = (
    verb(
        login,
        """
kitfast login registry.example
kitfast login registry.example -u me --password-stdin < token
""",
        network=True,
    ),
)
