"""`kitfast list`: shows which kits the store, or a repository, holds."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human, kits
from kitfast.cli.render.output import put
from kitfast.cli.render.template import Template
from kitfast.cli.session import Session


def list_kits(
    session: Session,
    repository: Annotated[
        str | None,
        Argument(metavar="REPOSITORY", help="registry/repository[:tag] to ask a registry."),
    ] = None,
    format: Annotated[
        str,
        Option(
            "--format",
            metavar="table|json|TEMPLATE",
            help="A template is filled in for each kit: {{ .Repo }} .Tags .Digest .ModelName"
            " .Size .Author.",
        ),
    ] = "table",
) -> None:
    """Show the kits of the local store or of a repository."""
    from kitfast import aio

    # A template that cannot be read is told before anything is asked.
    template = None if format in ("", "table", "json") else Template(format)
    found = session.run(
        lambda _: aio.list_kits(repository, home=session.home, network=session.network)
    )
    if format == "json":
        put(kits.kit_list(found))
    elif template is None:
        put(human.kit_table(found))
    else:
        put("".join(template.fill(kits.template_fields(kit)) for kit in found))


VERBS = (
    verb(
        list_kits,
        """
kitfast list
kitfast list registry.example/team/model
kitfast list --format json
kitfast list --format '{{ .Repo }}@{{ .Digest }}'
""",
        name="list",
        network=True,
        reports=False,
    ),
)
