"""`kitfast info`: shows the Kitfile of a kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import machine
from kitfast.cli.render.output import put
from kitfast.cli.session import Session

if TYPE_CHECKING:
    from kitfast import aio


def info(
    session: Session,
    reference: Annotated[str, Argument(metavar="REFERENCE", help="The kit.")],
    remote: Annotated[
        bool, Option("--remote", "-r", help="Ask the registry, not the local store.")
    ] = False,
    filter: Annotated[
        str | None,
        Option("--filter", "-f", metavar="FIELD", help="Show one field only, such as model.parts."),
    ] = None,
) -> None:
    """Show the Kitfile of a kit, as YAML."""
    from kitfast import aio

    kitfile = session.run(
        lambda _: aio.info(reference, remote=remote, home=session.home, network=session.network)
    )
    # The text is made in any case: it is what knows which fields there are.
    text = _yaml(kitfile, filter)
    put(machine.dumps(_value(kitfile, filter)) if session.json else text)


def _yaml(kitfile: aio.Kitfile, filter: str | None) -> str:
    from kitfast.kitfile import yaml

    return yaml.node_text(kitfile, filter) if filter else yaml.to_text(kitfile)


def _value(kitfile: aio.Kitfile, filter: str | None) -> Any:
    """The same as JSON-ready values, digests included; what is empty is not there: null."""
    from kitfast.kitfile.json import to_value

    found: Any = to_value(kitfile)
    for name in filter.removeprefix(".").split(".") if filter else ():
        named = {key.lower(): value for key, value in (found or {}).items()}
        found = named.get(name.lower())
    return found


VERBS = (
    verb(
        info,
        """
kitfast info model:v1
kitfast info registry.example/team/model:v1 --remote
kitfast info model:v1 --filter model.parts
""",
        network=True,
    ),
)
